# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small GGUF models of seeded random numbers, decoders of GGUF blocks written
from the format's description, and a Llama in f64 that works on GGUF's own
layout (rotary over neighbors). Nothing here is shared with the converter."""
from __future__ import annotations

import gguf
import numpy as np

TYPES = gguf.GGMLQuantizationType
WORDS = ["<|end|>", "<|start|>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "Ċ", "th", "the", "an", "and", "Ġthe", "in"]
MERGES = ["t h", "th e", "a n", "an d", "Ġ the", "i n"]


def make(path, *, kind="F32", embedding="F32", layers=2, hidden=64, heads=4, kv_heads=2, inner=96, tied=True, bias=False,
         seed=1, fields=(), tensors=()):
    """Writes a model; `fields` and `tensors` add to it or replace parts of it."""
    rng = np.random.default_rng(seed)
    size = hidden // heads
    vocabulary = len(WORDS) + 12
    writer = gguf.GGUFWriter(path, "llama")
    numbers = {"block_count": layers, "context_length": 128, "embedding_length": hidden, "feed_forward_length": inner,
               "attention.head_count": heads, "attention.head_count_kv": kv_heads, "rope.dimension_count": size,
               **{k: v for k, v in fields if isinstance(v, int)}}
    for key, value in numbers.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("llama.rope.freq_base", 10000.0)
    for key, value in fields:
        if isinstance(value, str):
            writer.add_string(key, value)
    words = WORDS + [f"<{i}>" for i in range(vocabulary - len(WORDS))]
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "smollm")
    writer.add_array("tokenizer.ggml.tokens", words)
    writer.add_array("tokenizer.ggml.token_type", [3 if w.startswith("<") else 1 for w in words])
    writer.add_array("tokenizer.ggml.merges", MERGES)
    writer.add_uint32("tokenizer.ggml.bos_token_id", 1)
    writer.add_uint32("tokenizer.ggml.eos_token_id", 0)
    writer.add_string("tokenizer.chat_template", "{% for m in messages %}<|start|>{{ m.content }}<|end|>{% endfor %}")

    shapes = {"token_embd.weight": (vocabulary, hidden), "output_norm.weight": (hidden,)}
    if not tied:
        shapes["output.weight"] = (vocabulary, hidden)
    for i in range(layers):
        for name, shape in {"attn_norm": (hidden,), "ffn_norm": (hidden,), "attn_q": (hidden, hidden),
                            "attn_k": (kv_heads * size, hidden), "attn_v": (kv_heads * size, hidden),
                            "attn_output": (hidden, hidden), "ffn_gate": (inner, hidden), "ffn_up": (inner, hidden),
                            "ffn_down": (hidden, inner)}.items():
            shapes[f"blk.{i}.{name}.weight"] = shape
            if bias and name.startswith("attn_") and len(shape) == 2:
                shapes[f"blk.{i}.{name}.bias"] = shape[:1]
    values = {}
    for name, shape in shapes.items():
        scale = 0.2 if len(shape) == 2 else 0.1
        values[name] = rng.normal(name.endswith("norm.weight"), scale, shape).astype(np.float32)
    values.update(dict(tensors))
    for name, value in values.items():
        stored = "F32" if value.ndim == 1 else embedding if name == "token_embd.weight" else kind
        type_ = TYPES[stored]
        data = value if stored == "F32" else gguf.quantize(value, type_)
        writer.add_tensor(name, data, raw_dtype=None if stored in ("F32", "F16") else type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def blocks(data: np.ndarray, size: int):
    return np.frombuffer(data.tobytes(), np.uint8).reshape(-1, size)


def decoded(tensor) -> np.ndarray:
    """The tensor as f32 [out, in]; every block type that the tests meet."""
    shape = [int(d) for d in reversed(tensor.shape)]
    kind, data = tensor.tensor_type.name, np.asarray(tensor.data)
    if kind == "F32":
        return np.frombuffer(data.tobytes(), "<f4").reshape(shape)
    if kind == "F16":
        return np.frombuffer(data.tobytes(), "<f2").astype(np.float32).reshape(shape)
    size, header = {"Q8_0": (34, 2), "Q4_1": (20, 4), "Q4_0": (18, 2)}[kind]
    raw = blocks(data, size)
    scale = raw[:, :2].copy().view("<f2").astype(np.float32)
    if kind == "Q8_0":
        return (raw[:, 2:].copy().view(np.int8).astype(np.float32) * scale).reshape(shape)
    codes = np.concatenate([raw[:, header:] & 15, raw[:, header:] >> 4], axis=1).astype(np.float32)
    if kind == "Q4_1":
        return (codes * scale + raw[:, 2:4].copy().view("<f2").astype(np.float32)).reshape(shape)
    return ((codes - 8) * scale).reshape(shape)


def forward(reader: gguf.GGUFReader, ids: list[int]) -> np.ndarray:
    """Logits of every position, [len(ids), vocabulary], in f64."""
    number = lambda key: reader.fields[f"llama.{key}"].contents()
    heads, kv_heads, eps = number("attention.head_count"), number("attention.head_count_kv"), number("attention.layer_norm_rms_epsilon")
    weights = {t.name: decoded(t).astype(np.float64) for t in reader.tensors}
    size, count = number("embedding_length") // heads, len(ids)
    angles = np.outer(np.arange(count), number("rope.freq_base") ** (-np.arange(0, size, 2) / size))
    turn = np.exp(1j * angles)[:, None]

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weights[name]

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)

    def rotated(x, n):  # neighbors are the two parts of a complex number
        pairs = x.reshape(count, n, size // 2, 2)
        pairs = (pairs[..., 0] + 1j * pairs[..., 1]) * turn
        return np.stack([pairs.real, pairs.imag], -1).reshape(count, n, size)

    stream = weights["token_embd.weight"][ids]
    future = np.triu(np.full((count, count), -np.inf), 1)
    for i in range(number("block_count")):
        path = f"blk.{i}."
        x = norm(stream, path + "attn_norm.weight")
        q = rotated(linear(x, path + "attn_q"), heads)
        k = rotated(linear(x, path + "attn_k"), kv_heads).repeat(heads // kv_heads, 1)
        v = linear(x, path + "attn_v").reshape(count, kv_heads, size).repeat(heads // kv_heads, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + future
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        stream = stream + linear(np.einsum("hqk,khd->qhd", scores, v).reshape(count, -1), path + "attn_output")
        x = norm(stream, path + "ffn_norm.weight")
        gate = linear(x, path + "ffn_gate")
        stream = stream + linear(gate / (1 + np.exp(-gate)) * linear(x, path + "ffn_up"), path + "ffn_down")
    head = weights.get("output.weight", weights["token_embd.weight"])
    return norm(stream, "output_norm.weight") @ head.T
