# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""stories260K with 4-bit matrices, and what ONNX Runtime says of it. It refuses
this head size in the operators of that export; so the export of another tool,
in plain operators, gets the same matrices, dequantized here."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from EndToEnd.smollm2 import speak

PROMPTS = [[1], [1, 403, 407, 261, 378], list(range(3, 40))]
STEPS = 60
MARGIN = 1e-3  # of the largest logit: what is nearer to a tie is not asked


def matrices(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The matrices [out, in] of MatMulNBits by layer, `0/mlp/gate_proj`, in f32."""
    data = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        attributes = {a.name: a.i for a in node.attribute}
        assert attributes["bits"] == 4 and len([i for i in node.input if i]) == 3, "expected 4 bits without zero points"
        codes, scales = (data[name] for name in node.input[1:3])
        levels = np.stack([codes & 15, codes >> 4], -1).reshape(attributes["N"], -1, attributes["block_size"]) - np.float32(8)
        matrix = (levels * scales.reshape(attributes["N"], -1, 1)).reshape(attributes["N"], -1)[:, :attributes["K"]]
        path = node.name.removeprefix("/model/layers.").rsplit("/", 1)[0].replace("attn", "self_attn").lstrip("/")
        if not path.endswith("qkv_proj"):
            found[path] = matrix
            continue
        hidden = attributes["K"]
        parts = np.split(matrix, [hidden, hidden + (len(matrix) - hidden) // 2])
        found.update({path.replace("qkv", letter): part for letter, part in zip("qkv", parts)})
    return found


def dequantized(int4: Path, plain: Path, folder: Path) -> Path:
    """The model `plain` with the matrices of `int4`, in `folder`."""
    model, found = onnx.load(plain / "model.onnx"), matrices(onnx.load(int4 / "model.onnx"))
    tensors = {t.name: t for t in model.graph.initializer}
    tensors["model.embed_tokens.weight"].CopyFrom(
        numpy_helper.from_array(found["lm_head"], "model.embed_tokens.weight"))
    for node in model.graph.node:
        path = node.name.removeprefix("/model/layers.").rsplit("/", 1)[0].lstrip("/")
        if node.op_type == "MatMul" and path in found:
            name = node.input[1]
            tensors[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(found.pop(path).T), name))
    assert not found, f"expected a place for every matrix but not for {sorted(found)}"
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return folder


def cases(int4: Path, plain: Path, folder: Path, oracle_class) -> list[dict]:
    """Greedy ids, up to a near tie, and the first logits of each prompt."""
    oracle, found = oracle_class(dequantized(int4, plain, folder)), []
    for ids in PROMPTS:
        greedy, logits = speak(oracle, ids, STEPS, MARGIN)
        found.append({"input_ids": ids, "greedy": greedy, "logits": logits})
    assert sum(len(case["greedy"]) for case in found) >= STEPS, "expected prompts without near ties at their start"
    return found
