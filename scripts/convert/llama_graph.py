# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The ONNX graph of a Llama model: standard operators of opset 23 only, but for
`ai.llmc::DequantizeBlocks` where matrices stay in the blocks of a GGUF file.
That operator has one input, the bytes of the blocks [out, bytes], and the
attributes `type`, a block type like "q4_k", and `shape`, [out, in]; its result
is the matrix in f32.

The graph is the model as one would draw it: a layer is 17 nodes. Weights are
external data and are described here by name and shape only; whoever calls
`build_model` writes their bytes where the returned table says.

Two choices want a reason:
  * Attention gets a Boolean mask computed from `attention_mask` instead of
    `is_causal`: opset 23 aligns its causal triangle to the upper left corner,
    which is wrong as soon as there is a past.
  * A position always attends to itself, also where `attention_mask` is 0.
    Otherwise a padded row would be masked as a whole, its softmax would be
    0/0, and the NaN would reach the other rows through keys and values.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 23
IR_VERSION = 11
DOMAIN, DOMAIN_VERSION = "ai.llmc", 1  # of DequantizeBlocks
ALIGNMENT = 4096  # bytes: every weight begins on a page, so it can be mapped


@dataclass(frozen=True)
class LlamaShape:
    """What distinguishes one Llama from another; all sizes in elements."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    positions: int  # rows of the rotary tables = longest context
    norm_epsilon: float
    tied: bool  # the output matrix is the embedding
    biases: frozenset[str] = frozenset()  # of "q", "k", "v", "o"


@dataclass(frozen=True)
class Weight:
    """A weight as it lies in the data file: f32 or bytes of blocks, row-major,
    at `offset`."""

    name: str
    shape: tuple[int, ...]
    offset: int
    columns: int = 0  # numbers in a row, where the rows are bytes of blocks

    @property
    def raw(self) -> bool:
        return self.columns > 0

    @property
    def size(self) -> int:
        return (1 if self.raw else 4) * int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Blocks:
    """A matrix that stays in blocks: its type and the bytes of a row."""

    type: str
    row_bytes: int


def rotary_tables(positions: int, inverse_frequencies: np.ndarray):
    """cos and sin of position × frequency, [positions, head_size / 2], f32.

    Computed in f64: in f32 the angle of position 8000 is off by 5e-4.
    """
    angles = np.outer(np.arange(positions, dtype=np.float64), inverse_frequencies.astype(np.float64))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class _Graph:
    """Collects nodes, weights and small constants."""

    def __init__(self, data_name: str, blocks: dict[str, Blocks]):
        self.data_name = data_name
        self.blocks = blocks
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.weights: dict[str, Weight] = {}
        self.end = 0  # of the data file so far, in bytes

    def weight(self, name: str, *shape: int, columns: int = 0) -> str:
        offset = -(-self.end // ALIGNMENT) * ALIGNMENT
        self.weights[name] = Weight(name, shape, offset, columns)
        self.end = offset + self.weights[name].size
        return name

    def matrix(self, name: str, rows: int, columns: int) -> str:
        """A weight [rows, columns] in f32, stored so or in blocks."""
        kept = self.blocks.get(name)
        if not kept:
            return self.weight(name, rows, columns)
        stored = self.weight(f"{name}_blocks", rows, kept.row_bytes, columns=columns)
        return self.node("DequantizeBlocks", [stored], name, domain=DOMAIN, type=kept.type, shape=[rows, columns])

    def constant(self, name: str, value) -> str:
        self.constants.append(onnx.numpy_helper.from_array(np.array(value, np.int64), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str | list[str], **attributes) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=f"{outputs[0]}/{operator}", **attributes))
        return outputs[0]

    def external(self, weight: Weight) -> onnx.TensorProto:
        tensor = TensorProto(name=weight.name, data_type=TensorProto.UINT8 if weight.raw else TensorProto.FLOAT,
                             dims=weight.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self.data_name), ("offset", weight.offset), ("length", weight.size)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


def _mask(graph: _Graph) -> str:
    """[batch, 1, sequence, past + sequence], true where a query may look."""
    zero, one, column = graph.constant("zero", 0), graph.constant("one", 1), graph.constant("column", [1])
    heads_and_queries = graph.constant("heads_and_queries", [1, 2])
    lengths = []
    for source, name in (("attention_mask", "total"), ("input_ids", "sequence")):
        shape = graph.node("Shape", [source], f"mask.{name}.shape", start=1, end=2)
        lengths.append(graph.node("Squeeze", [shape], f"mask.{name}"))
    total = lengths[0]
    past = graph.node("Sub", lengths, "mask.past")
    row = graph.node("Range", [past, total, one], "mask.queries.row")
    queries = graph.node("Unsqueeze", [row, column], "mask.queries")
    keys = graph.node("Range", [zero, total, one], "mask.keys")
    causal = graph.node("LessOrEqual", [keys, queries], "mask.causal")
    itself = graph.node("Equal", [keys, queries], "mask.itself")
    flags = graph.node("Cast", ["attention_mask"], "mask.real.flags", to=TensorProto.BOOL)
    real = graph.node("Unsqueeze", [flags, heads_and_queries], "mask.real")
    kept = graph.node("Or", [real, itself], "mask.kept")
    return graph.node("And", [causal, kept], "mask")


def _linear(graph: _Graph, path: str, source: str, shape: tuple[int, int], bias: bool = False) -> str:
    name = f"{path}.weight"
    if name in graph.blocks:  # of rows, as they are stored
        weight = graph.node("Transpose", [graph.matrix(name, *shape[::-1])], f"{path}.transposed", perm=[1, 0])
    else:
        weight = graph.weight(name, *shape)
    if not bias:
        return graph.node("MatMul", [source, weight], path)
    product = graph.node("MatMul", [source, weight], f"{path}.product")
    return graph.node("Add", [product, graph.weight(f"{path}.bias", shape[1])], path)


def _attention(graph: _Graph, shape: LlamaShape, index: int, source: str, mask: str) -> str:
    path = f"model.layers.{index}.self_attn"
    heads = {"q": shape.heads, "k": shape.kv_heads, "v": shape.kv_heads}
    parts = {}
    for letter, count in heads.items():
        part = _linear(graph, f"{path}.{letter}_proj", source, (shape.hidden, count * shape.head_size),
                       letter in shape.biases)
        if letter != "v":
            tables = ["model.rotary_emb.cos_cache", "model.rotary_emb.sin_cache"]
            part = graph.node("RotaryEmbedding", [part, *tables, "position_ids"], f"{path}.{letter}_rotary",
                              num_heads=count)
        parts[letter] = part
    pasts = [f"past_key_values.{index}.{kind}" for kind in ("key", "value")]
    presents = [f"present.{index}.{kind}" for kind in ("key", "value")]
    mixed = graph.node("Attention", [*parts.values(), mask, *pasts], [path, *presents],
                       q_num_heads=shape.heads, kv_num_heads=shape.kv_heads)
    return _linear(graph, f"{path}.o_proj", mixed, (shape.heads * shape.head_size, shape.hidden), "o" in shape.biases)


def _feed_forward(graph: _Graph, shape: LlamaShape, index: int, source: str) -> str:
    path = f"model.layers.{index}.mlp"
    gate = _linear(graph, f"{path}.gate_proj", source, (shape.hidden, shape.intermediate))
    up = _linear(graph, f"{path}.up_proj", source, (shape.hidden, shape.intermediate))
    sigmoid = graph.node("Sigmoid", [gate], f"{path}.sigmoid")
    silu = graph.node("Mul", [gate, sigmoid], f"{path}.silu")
    gated = graph.node("Mul", [silu, up], f"{path}.gated")
    return _linear(graph, f"{path}.down_proj", gated, (shape.intermediate, shape.hidden))


def _norm(graph: _Graph, shape: LlamaShape, path: str, source: str) -> str:
    scale = graph.weight(f"{path}.weight", shape.hidden)
    return graph.node("RMSNormalization", [source, scale], path, axis=-1, epsilon=shape.norm_epsilon)


def _signature(shape: LlamaShape):
    def tensor(name, kind, *dims):
        return helper.make_tensor_value_info(name, kind, dims)

    batch, new, past, total = "batch_size", "sequence_length", "past_sequence_length", "past_sequence_length + sequence_length"
    inputs = [tensor("input_ids", TensorProto.INT64, batch, new),
              tensor("attention_mask", TensorProto.INT64, batch, total),
              tensor("position_ids", TensorProto.INT64, batch, new)]
    outputs = [tensor("logits", TensorProto.FLOAT, batch, new, shape.vocabulary)]
    for index in range(shape.layers):
        for kind in ("key", "value"):
            dims = [batch, shape.kv_heads, past, shape.head_size]
            inputs.append(tensor(f"past_key_values.{index}.{kind}", TensorProto.FLOAT, *dims))
            dims[2] = total
            outputs.append(tensor(f"present.{index}.{kind}", TensorProto.FLOAT, *dims))
    return inputs, outputs


def build_model(shape: LlamaShape, data_name: str,
                blocks: dict[str, Blocks] | None = None) -> tuple[onnx.ModelProto, dict[str, Weight]]:
    """The model, and where in the file `data_name` each of its weights belongs.

    Matrices are [in, out], as MatMul takes them; the embedding, and with it the
    output matrix `lm_head`, is [vocabulary, hidden]. Those that `blocks` names
    stay in blocks, [out, bytes], under their name and `_blocks`.
    """
    graph = _Graph(data_name, blocks or {})
    embedding = graph.matrix("model.embed_tokens.weight", shape.vocabulary, shape.hidden)
    for name in ("cos_cache", "sin_cache"):
        graph.weight(f"model.rotary_emb.{name}", shape.positions, shape.head_size // 2)
    mask = _mask(graph)
    stream = graph.node("Gather", [embedding, "input_ids"], "model.embed_tokens", axis=0)
    for index in range(shape.layers):
        path = f"model.layers.{index}"
        normed = _norm(graph, shape, f"{path}.input_layernorm", stream)
        attended = _attention(graph, shape, index, normed, mask)
        stream = graph.node("Add", [stream, attended], f"{path}.attended")
        normed = _norm(graph, shape, f"{path}.post_attention_layernorm", stream)
        stream = graph.node("Add", [stream, _feed_forward(graph, shape, index, normed)], path)
    last = _norm(graph, shape, "model.norm", stream)
    head = embedding if shape.tied else graph.matrix("lm_head.weight", shape.vocabulary, shape.hidden)
    matrix = graph.node("Transpose", [head], "lm_head.transposed", perm=[1, 0])
    graph.node("MatMul", [last, matrix], "logits")

    inputs, outputs = _signature(shape)
    initializers = graph.constants + [graph.external(weight) for weight in graph.weights.values()]
    proto = helper.make_graph(graph.nodes, "llama", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(DOMAIN, DOMAIN_VERSION)] if blocks else [])
    model = helper.make_model(proto, ir_version=IR_VERSION, producer_name="llmc", opset_imports=opsets)
    return model, graph.weights
