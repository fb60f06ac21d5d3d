# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model in the form in which ONNX Runtime GenAI is fastest.

Its own exporter needs a framework; the form itself is simple: packed q, k and
v, GroupQueryAttention with rotary embedding inside and key-value buffers that
are shared between past and present, additions joined with norms, and logits of
the last position only. Only the graph is new: weights lie where they lie in the data
file of the folder that scripts/convert made.
"""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "convert"))
from llama_graph import LlamaShape, build_model  # noqa: E402

DATA = "model.onnx.data"
DATA4 = "model.int4.data"
CONTRIB = "com.microsoft"
GROUP = 32
ROWS_FIRST = ("model.embed_tokens.weight", "lm_head.weight")  # [out, in]; others are [in, out]


def shape_of(folder: Path) -> LlamaShape:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "llama" or config.get("attention_bias"):
        raise ValueError(f"expected a Llama without biases but got '{config.get('model_type')}'")
    return LlamaShape(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"],
                      config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"],
                      config["vocab_size"], config["max_position_embeddings"], config["rms_norm_eps"],
                      config["tie_word_embeddings"])


def quantize(matrix: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """[out, in] to codes [out, in / 32, 16], low nibbles first, and scales [out, in / 32]: the
    value is (code - 8) * scale, and the number of a group that is farthest from 0 has code 0."""
    out, columns = matrix.shape
    groups = matrix.reshape(out, columns // GROUP, GROUP)
    farthest = numpy.take_along_axis(groups, numpy.abs(groups).argmax(2)[..., None], 2)
    scales = farthest / -8
    inverse = numpy.divide(1, scales, out=numpy.zeros_like(scales), where=scales != 0)
    codes = numpy.clip(numpy.rint(groups * inverse) + 8, 0, 15).astype(numpy.uint8)
    return codes[..., 0::2] | codes[..., 1::2] << 4, scales[..., 0].astype(numpy.float32)


class _Builder:
    def __init__(self, matrices=None):
        """`matrices`: None for f32, else what reads the matrix [out, in] of a name."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.matrices = matrices
        self.data4 = bytearray()

    def constant(self, name: str, values: list[int], *dims: int) -> str:
        self.constants.append(helper.make_tensor(name, TensorProto.INT64, dims, values))
        return name

    def node(self, operator: str, inputs, outputs, domain: str = "", **attributes) -> str:
        outputs = [outputs] if isinstance(outputs, str) else outputs
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=f"{outputs[0]}/{operator}",
                                           domain=domain, **attributes))
        return outputs[0]

    def _store4(self, name: str, values: numpy.ndarray) -> str:
        tensor = TensorProto(name=name, dims=values.shape, data_location=TensorProto.EXTERNAL,
                             data_type=helper.np_dtype_to_tensor_dtype(values.dtype))
        self.data4 += bytes(-len(self.data4) % 4096)
        for key, text in (("location", DATA4), ("offset", len(self.data4)), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(text))
        self.data4 += values.tobytes()
        self.constants.append(tensor)
        return name

    def product(self, x: str, weights: list[str], output: str) -> str:
        """x times matrices [in, out] beside each other; the embedding is [out, in]."""
        if self.matrices:
            codes, scales = quantize(numpy.concatenate([self.matrices(name) for name in weights]))
            out, groups, _ = codes.shape
            return self.node("MatMulNBits", [x, self._store4(f"{output}.codes", codes),
                                             self._store4(f"{output}.scales", scales)], output, CONTRIB,
                             K=groups * GROUP, N=out, bits=4, block_size=GROUP, accuracy_level=4)
        matrix = weights[0]
        if len(weights) > 1:
            matrix = self.node("Concat", weights, f"{output}.weight", axis=1)
        elif matrix in ROWS_FIRST:
            matrix = self.node("Transpose", weights, f"{output}.transposed", perm=[1, 0])
        return self.node("MatMul", [x, matrix], output)


def _lengths(build: _Builder) -> tuple[str, str]:
    """What GroupQueryAttention wants to know: total - 1 per row, and total."""
    one, last = build.constant("one", [1], 1), build.constant("axis", [1])
    total = build.node("ReduceSum", ["attention_mask", one], "mask.total", keepdims=0)
    before = build.node("Sub", [total, one], "mask.before")
    width = build.node("Gather", [build.node("Shape", ["attention_mask"], "mask.shape"), last], "mask.width", axis=0)
    return (build.node("Cast", [before], "seqlens_k", to=TensorProto.INT32),
            build.node("Cast", [width], "total_length", to=TensorProto.INT32))


def _layer(build: _Builder, shape: LlamaShape, index: int, stream: str, normed: str, lengths, next_norm: str):
    """Adds one layer; returns the stream and its norm for what follows."""
    path = f"model.layers.{index}"
    qkv = build.product(normed, [f"{path}.self_attn.{x}_proj.weight" for x in "qkv"], f"{path}.qkv")
    mixed = build.node("GroupQueryAttention",
                       [qkv, "", "", f"past_key_values.{index}.key", f"past_key_values.{index}.value", *lengths,
                        "model.rotary_emb.cos_cache", "model.rotary_emb.sin_cache"],
                       [f"{path}.attention", f"present.{index}.key", f"present.{index}.value"], CONTRIB,
                       num_heads=shape.heads, kv_num_heads=shape.kv_heads, do_rotary=1, rotary_interleaved=0,
                       scale=shape.head_size ** -0.5)
    attended = build.product(mixed, [f"{path}.self_attn.o_proj.weight"], f"{path}.attended")

    def add_norm(stream, addend, norm):
        outputs = [f"{norm}.normed", "", "", f"{norm}.stream"]
        build.node("SkipSimplifiedLayerNormalization", [stream, addend, f"{norm}.weight"], outputs, CONTRIB,
                   epsilon=shape.norm_epsilon)
        return outputs[3], outputs[0]

    stream, normed = add_norm(stream, attended, f"{path}.post_attention_layernorm")
    gate = build.product(normed, [f"{path}.mlp.gate_proj.weight"], f"{path}.gate")
    up = build.product(normed, [f"{path}.mlp.up_proj.weight"], f"{path}.up")
    silu = build.node("Mul", [gate, build.node("Sigmoid", [gate], f"{path}.sigmoid")], f"{path}.silu")
    gated = build.node("Mul", [silu, up], f"{path}.gated")
    return add_norm(stream, build.product(gated, [f"{path}.mlp.down_proj.weight"], f"{path}.down"), next_norm)


def build_graph(shape: LlamaShape, data: Path | None = None, all_positions: bool = False) -> tuple[onnx.ModelProto, bytes]:
    """The graph, and the bytes of its second data file: those of the matrices of `data`,
    the first one, in four bits; none where `data` is None. Logits are those of the last
    position, or of all."""
    _, weights = build_model(shape, DATA)  # names and places in the data file

    def read(name: str) -> numpy.ndarray:
        matrix = numpy.memmap(data, numpy.float32, "r", weights[name].offset, tuple(weights[name].shape))
        return matrix if name in ROWS_FIRST else matrix.T

    build = _Builder(read if data else None)
    lengths = _lengths(build)
    stream = build.node("Gather", ["model.embed_tokens.weight", "input_ids"], "embedded", axis=0)
    normed = build.node("SimplifiedLayerNormalization", [stream, "model.layers.0.input_layernorm.weight"], "first.normed",
                        axis=-1, epsilon=shape.norm_epsilon, stash_type=1)
    for index in range(shape.layers):
        following = f"model.layers.{index + 1}.input_layernorm" if index + 1 < shape.layers else "model.norm"
        stream, normed = _layer(build, shape, index, stream, normed, lengths, following)
    last = normed if all_positions else build.node("Gather", [normed, build.constant("minus_one", [-1], 1)], "last", axis=1)
    head = "model.embed_tokens.weight" if shape.tied else "lm_head.weight"
    build.product(last, [head], "logits")

    def value(name, kind, *dims):
        return helper.make_tensor_value_info(name, kind, dims)

    inputs = [value("input_ids", TensorProto.INT64, "batch", "sequence"),
              value("attention_mask", TensorProto.INT64, "batch", "total")]
    outputs = [value("logits", TensorProto.FLOAT, "batch", "sequence" if all_positions else 1, shape.vocabulary)]
    for index in range(shape.layers):
        for kind in ("key", "value"):
            for side, names, length in ((inputs, "past_key_values", "past"), (outputs, "present", "total")):
                side.append(value(f"{names}.{index}.{kind}", TensorProto.FLOAT, "batch", shape.kv_heads, length,
                                  shape.head_size))
    initializers = list(build.constants)
    used = {name for node in build.nodes for name in node.input}
    for weight in weights.values():
        if weight.name not in used:
            continue
        tensor = TensorProto(name=weight.name, data_type=TensorProto.FLOAT, dims=weight.shape,
                             data_location=TensorProto.EXTERNAL)
        for key, text in (("location", DATA), ("offset", weight.offset), ("length", weight.size)):
            tensor.external_data.add(key=key, value=str(text))
        initializers.append(tensor)
    graph = helper.make_graph(build.nodes, "llama", inputs, outputs, initializers)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21),
                                                                  helper.make_opsetid(CONTRIB, 1)])
    return model, bytes(build.data4)


def genai_config(shape: LlamaShape, threads: int) -> dict:
    sides = {"past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"}
    decoder = {"session_options": {"log_id": "onnxruntime-genai", "intra_op_num_threads": threads,
                                   "provider_options": []},
               "filename": "model.onnx", "head_size": shape.head_size, "hidden_size": shape.hidden,
               "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask", **sides},
               "outputs": {"logits": "logits", "present_key_names": "present.%d.key",
                           "present_value_names": "present.%d.value"},
               "num_attention_heads": shape.heads, "num_hidden_layers": shape.layers,
               "num_key_value_heads": shape.kv_heads}
    # No end of text: speed is measured over a fixed number of tokens.
    end = shape.vocabulary - 1
    return {"model": {"type": "llama", "bos_token_id": 1, "eos_token_id": end, "pad_token_id": end,
                      "context_length": shape.positions, "vocab_size": shape.vocabulary, "decoder": decoder},
            "search": {"do_sample": False, "num_beams": 1, "max_length": shape.positions,
                       "past_present_share_buffer": True}}


def write(source: Path, folder: Path, threads: int, four_bits: bool = False, all_positions: bool = False) -> None:
    """Makes `folder`, with a copy of the weights: llmc refuses a file of two names,
    ONNX Runtime one outside of the model's folder."""
    shape = shape_of(source)
    folder.mkdir(parents=True, exist_ok=True)
    data, partial = folder / DATA, folder / f"{DATA}.partial"
    wanted = (source / DATA).stat()
    if not data.exists() or (data.stat().st_size, data.stat().st_mtime_ns) != (wanted.st_size, wanted.st_mtime_ns):
        shutil.copy2(source / DATA, partial)
        partial.rename(data)
    model, data4 = build_graph(shape, data if four_bits else None, all_positions)
    if four_bits:
        (folder / DATA4).write_bytes(data4)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "genai_config.json").write_text(json.dumps(genai_config(shape, threads), indent=1), encoding="utf-8")
