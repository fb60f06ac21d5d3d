# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A Llama model and two ways to round its matrices, in NumPy and apart from llmc:
what llmc's methods should come to.

Arithmetic is f32, rounding f64. Kinds are METHOD/FORMAT, like sinq/u4g32:
  * rtn: smallest to largest number of each group, the zero on a code;
  * sinq: the same behind a scale of columns (arXiv 2509.22944), with the constants
    of the published code and a scale for each matrix by itself;
  * sinq-joint: one scale for the matrices that read one input.
The format is u and a number of bits, g and the columns of a group. All linear
layers are rounded so, and the embedding, which is also the output matrix, to eight
bits and a sign in groups of 32. Activations are not rounded.
"""
from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

EMBEDDING_GROUP = 32
STEPS, SMALLEST, LARGEST, EPSILON = 16, 1e-3, 1e3, 1e-6  # of SINQ: steps, clamps of deviations, what is added to the target
RATIO, LOGARITHM = (0.7, 2.0), (-0.3, 10.0)  # clamps of a step and of a scale
# Matrices of a layer that read one input.
READERS = [["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], ["self_attn.o_proj"],
           ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"]]


def parse(kind: str) -> tuple[str, int, int]:
    """Method, bits and columns of a group."""
    found = re.fullmatch(r"(rtn|sinq|sinq-joint)/u([1-8])g(\d+)", kind)
    if not found or int(found[3]) == 0:
        raise ValueError(f"expected a kind such as sinq/u4g32, rtn/u3g32 or sinq-joint/u4g32 but got '{kind}'")
    return found[1], int(found[2]), int(found[3])


def recipe(kind: str, activations: str) -> str:
    """The recipe of llmc for the same."""
    method, bits, group = parse(kind)
    method = method.removesuffix("-joint") + (", quantizer: rtn" if method != "rtn" else "")
    return (f"summary: what NumPy calls {kind}\nquantize:\n"
            f"  - {{read: gather, method: rtn, format: i8g{EMBEDDING_GROUP}, activations: {activations}}}\n"
            f"  - {{method: {method}, bits: {bits}, group: {group}, activations: {activations}}}\n")


def halves(values: np.ndarray) -> np.ndarray:
    """What is left of numbers that are stored in f16."""
    return values.astype(np.float16).astype(np.float64)


def round_groups(matrix: np.ndarray, bits: int, group: int) -> np.ndarray:
    """The nearest codes of each group of columns, from its smallest to its largest number."""
    groups = matrix.reshape(len(matrix), -1, group)
    top = 2 ** bits - 1
    scale = np.maximum(groups.max(-1, keepdims=True) - groups.min(-1, keepdims=True), 1e-4) / top
    zero = -np.round(groups.min(-1, keepdims=True) / scale)
    codes = np.clip(np.round(groups / scale + zero), 0, top)
    return (halves(scale) * (codes - zero)).reshape(matrix.shape)


def round_signed(matrix: np.ndarray, group: int) -> np.ndarray:
    """Eight bits and a sign; the largest magnitude of a group is 127."""
    groups = matrix.astype(np.float64).reshape(len(matrix), -1, group)
    scale = np.maximum(np.abs(groups).max(-1, keepdims=True), 1e-30) / 127
    return (halves(scale) * np.round(groups / scale)).reshape(matrix.shape)


def even_out(tile: np.ndarray) -> np.ndarray:
    """The scale of the columns of one tile."""
    def deviations(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x.std(1, ddof=1), x.std(0, ddof=1)

    def clamped(x: np.ndarray) -> np.ndarray:
        return np.clip(x, SMALLEST, LARGEST)

    target = min(clamped(d).min() for d in deviations(tile)) + EPSILON
    rows, columns = np.zeros(len(tile)), np.zeros(tile.shape[1])
    best, result = np.inf, columns
    for _ in range(STEPS):
        by_row, by_column = deviations(tile / np.exp(columns) / np.exp(rows)[:, None])
        imbalance = max(by_row.max(), by_column.max()) / max(min(by_row.min(), by_column.min()), 1e-12)
        if imbalance > best:
            break
        best, result = imbalance, columns
        columns = np.clip(columns + np.log(np.clip(clamped(by_column) / target, *RATIO)), *LOGARITHM)
        rows = np.clip(rows + np.log(np.clip(clamped(by_row) / target, *RATIO)), *LOGARITHM)
    return np.exp(result)


def column_scale(matrix: np.ndarray, group: int) -> np.ndarray:
    return np.concatenate([even_out(matrix[:, k:k + group]) for k in range(0, matrix.shape[1], group)])


def round_matrices(kind: str, matrices: list[np.ndarray]) -> list[np.ndarray]:
    """Matrices [out, in] of one input, as the kind leaves them."""
    method, bits, group = parse(kind)
    columns = matrices[0].shape[1]
    if columns % group:
        raise ValueError(f"expected groups that divide {columns} columns but got {group}")
    matrices = [matrix.astype(np.float64) for matrix in matrices]
    if method == "sinq-joint":
        scales = [column_scale(np.concatenate(matrices), group)] * len(matrices)
    else:
        scales = [column_scale(matrix, group) if method == "sinq" else np.ones(columns) for matrix in matrices]
    return [round_groups(matrix / scale, bits, group) * scale for matrix, scale in zip(matrices, scales)]


class Model:
    """The folder that scripts/convert/llama2c_to_onnx.py writes."""

    def __init__(self, folder: Path):
        import onnx
        graph = onnx.load(folder / "model.onnx").graph
        values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.heads, self.groups = config["num_attention_heads"], config["num_key_value_heads"]
        self.epsilon, self.layers = config["rms_norm_eps"], config["num_hidden_layers"]
        self.cos, self.sin = (values[f"model.rotary_emb.{name}_cache"] for name in ("cos", "sin"))
        if not config["tie_word_embeddings"]:
            raise ValueError("expected a model whose output matrix is its embedding")
        # Matrices as [out, in].
        self.weights = {name.removesuffix(".weight"): value.T if name.endswith("_proj.weight") else value for name, value in values.items()
                        if name.endswith(".weight")}

    def rounded(self, kind: str) -> Model:
        result = object.__new__(Model)
        result.__dict__.update(self.__dict__)
        result.weights = dict(self.weights)
        for layer in range(self.layers):
            for names in READERS:
                paths = [f"model.layers.{layer}.{name}" for name in names]
                for path, matrix in zip(paths, round_matrices(kind, [self.weights[path] for path in paths])):
                    result.weights[path] = matrix.astype(np.float32)
        embedding = round_signed(self.weights["model.embed_tokens"], EMBEDDING_GROUP)
        result.weights["model.embed_tokens"] = embedding.astype(np.float32)
        return result

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.epsilon)) * self.weights[name]

    def rotate(self, x: np.ndarray) -> np.ndarray:
        """[heads, tokens, size]; the two halves of a head belong together."""
        half = x.shape[-1] // 2
        cos, sin = self.cos[:x.shape[1], :half], self.sin[:x.shape[1], :half]
        first, second = x[..., :half], x[..., half:]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)

    def attend(self, x: np.ndarray, path: str) -> np.ndarray:
        def heads(name: str, count: int) -> np.ndarray:
            return (x @ self.weights[f"{path}.{name}"].T).reshape(len(x), count, -1).transpose(1, 0, 2)

        q, k = self.rotate(heads("q_proj", self.heads)), self.rotate(heads("k_proj", self.groups))
        repeats = self.heads // self.groups
        k, v = k.repeat(repeats, 0), heads("v_proj", self.groups).repeat(repeats, 0)
        scores = q @ k.transpose(0, 2, 1) / np.float32(np.sqrt(q.shape[-1]))
        scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ v
        return mixed.transpose(1, 0, 2).reshape(len(x), -1) @ self.weights[f"{path}.o_proj"].T

    def feed(self, x: np.ndarray, path: str) -> np.ndarray:
        gate, up = (x @ self.weights[f"{path}.{name}_proj"].T for name in ("gate", "up"))
        return (gate / (1 + np.exp(-gate)) * up) @ self.weights[f"{path}.down_proj"].T

    def logits(self, ids: list[int], count: int) -> np.ndarray:
        """Logits behind the last `count` of the tokens."""
        x = self.weights["model.embed_tokens"][ids]
        for layer in range(self.layers):
            path = f"model.layers.{layer}"
            x = x + self.attend(self.norm(x, f"{path}.input_layernorm"), f"{path}.self_attn")
            x = x + self.feed(self.norm(x, f"{path}.post_attention_layernorm"), f"{path}.mlp")
        return self.norm(x[-count:], "model.norm") @ self.weights["model.embed_tokens"].T


def evaluate(folder: Path, kinds: list[str], tokens: list[int], protocol: dict, bos: int) -> dict[str, dict]:
    """What `llmc eval` would say of each kind against f32, without intervals."""
    from comparison.llama_quality import Figures, log_softmax, windows
    reference = Model(folder)
    models = {kind: reference if kind == "f32" else reference.rounded(kind) for kind in kinds}
    figures = {kind: Figures() for kind in kinds}
    for ids, count in windows(protocol, tokens, bos):
        theirs = log_softmax(reference.logits(ids[:-1], count))
        for kind, model in models.items():
            mine = theirs if model is reference else log_softmax(model.logits(ids[:-1], count))
            figures[kind].add(mine, theirs, ids[-count:])
    return {kind: figure.summary() for kind, figure in figures.items()}
