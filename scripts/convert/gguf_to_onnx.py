#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns a GGUF file of the llama family into an ONNX folder.

    gguf_to_onnx.py MODEL.gguf -o FOLDER [--keep-blocks] [--force]

FOLDER gets model.onnx (standard operators, opset 23), model.onnx.data (f32,
each weight at a multiple of 4096 bytes, a tied embedding once), config.json,
generation_config.json, tokenizer.json and tokenizer_config.json with the chat
template. It appears under its name only when it is complete.

With --keep-blocks, quantized matrices stay in their blocks, byte for byte, and
model.onnx reads them by an operator that llmc alone knows: the folder is as
small as the GGUF file, and nothing is rounded a second time.

Tensors are decoded one at a time, the embedding in slices, so memory is
bounded by the largest matrix of a layer.
"""
from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np

import gguf_tokenizer
import model_folder
from llama_graph import Blocks, LlamaShape, Weight, build_model, rotary_tables
from model_folder import ConversionError, expect, halves

SLICE = 64 << 20  # bytes of f32 decoded at a time where rows stay rows
LIMITS = {"block_count": 1000, "embedding_length": 1 << 17, "feed_forward_length": 1 << 20, "context_length": 1 << 24,
          "attention.head_count": 1 << 12, "attention.head_count_kv": 1 << 12}

# GGUF name of a layer's tensor -> our name, and whether it is a matrix of MatMul.
LAYER = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
# Block types that llmc reads.
BLOCKS = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"}
OUTER = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
         "output.weight": "lm_head.weight"}


class Source:
    """A mapped GGUF file: its metadata and, by our names, its tensors."""

    def __init__(self, path: Path):
        try:
            reader = gguf.GGUFReader(path)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError, UnicodeError) as error:
            raise ConversionError(f"{path}: expected a GGUF file but {error or type(error).__name__}") from error
        self._fields = reader.fields
        kind = self.field("general.architecture")
        expect(kind == "llama", f"{path}: expected architecture 'llama' but got '{kind}'")
        expect(reader.tensors != [] and self.number("block_count") > 0, f"{path}: expected a model with layers")
        self.tensors = {self._rename(t.name): t for t in reader.tensors if t.name != "rope_freqs.weight"}
        factors = [t for t in reader.tensors if t.name == "rope_freqs.weight"]
        self.rotary_factors = gguf.dequantize(factors[0].data, factors[0].tensor_type) if factors else None

    def field(self, key: str):
        field = self._fields.get(key)
        return None if field is None else field.contents()

    def number(self, key: str, default=None):
        value = self.field(f"llama.{key}")
        value = default if value is None else value
        expect(isinstance(value, (int, float)), f"expected metadata 'llama.{key}' to be a number but got {value!r:.60}")
        limit = LIMITS.get(key)
        expect(limit is None or 0 < value <= limit, f"expected 'llama.{key}' from 1 to {limit} but got {value}")
        return value

    def _rename(self, name: str) -> str:
        if name in OUTER:
            return OUTER[name]
        parts = name.split(".")
        known = (len(parts) == 4 and parts[0] == "blk" and parts[1].isdecimal() and parts[2] in LAYER
                 and int(parts[1]) < self.number("block_count")
                 and (parts[3] == "weight" or parts[3] == "bias" and parts[2].startswith("attn_") and parts[2] != "attn_norm"))
        expect(known, f"expected only tensors of a dense Llama but got '{name}'")
        return f"model.layers.{int(parts[1])}.{LAYER[parts[2]]}.{parts[3]}"

    def blocks(self) -> dict[str, Blocks]:
        """The matrices that can stay as they are, by our names."""
        return {name: Blocks(t.tensor_type.name.lower(), int(t.data.shape[1])) for name, t in self.tensors.items()
                if t.tensor_type.name in BLOCKS and t.data.ndim == 2}

    def shape(self) -> LlamaShape:
        hidden, heads = self.number("embedding_length"), self.number("attention.head_count")
        kv_heads = self.number("attention.head_count_kv", heads)
        head_size = self.number("attention.key_length", hidden // heads)
        rotary = self.number("rope.dimension_count", head_size)
        expect(head_size > 0 and head_size % 2 == 0 and rotary == head_size,
               f"expected rotary over the whole of an even head but got {rotary} of {head_size} elements")
        expect(self.number("attention.value_length", head_size) == head_size, "expected values of the size of keys")
        expect(heads % kv_heads == 0, f"expected a multiple of {kv_heads} heads but got {heads}")
        expect("model.embed_tokens.weight" in self.tensors, "expected a tensor 'token_embd.weight' but got none")
        layers = self.number("block_count")
        biases = {letter for letter in "qkvo" if f"model.layers.0.self_attn.{letter}_proj.bias" in self.tensors}
        return LlamaShape(layers, hidden, self.number("feed_forward_length"), heads, kv_heads, head_size,
                          int(self.tensors["model.embed_tokens.weight"].shape[1]), self.number("context_length"),
                          float(self.number("attention.layer_norm_rms_epsilon", 1e-5)),
                          "lm_head.weight" not in self.tensors, frozenset(biases))

    def inverse_frequencies(self, head_size: int) -> np.ndarray:
        base = float(self.number("rope.freq_base", 10000.0))
        kind = self.field("llama.rope.scaling.type") or "none"
        expect(kind in ("none", "linear"), f"expected rotary scaling 'none' or 'linear' but got '{kind}'")
        factor = float(self.number("rope.scaling.factor", 1.0)) if kind == "linear" else 1.0
        expect(base > 0 and factor > 0, f"expected a positive rotary base and factor but got {base} and {factor}")
        frequencies = base ** (-np.arange(0, head_size, 2, dtype=np.float64) / head_size) / factor
        if self.rotary_factors is not None:
            expect(self.rotary_factors.shape == frequencies.shape,
                   f"expected {frequencies.size} rotary factors but got {self.rotary_factors.size}")
            frequencies /= self.rotary_factors
        return frequencies


def decode(tensor, rows: slice) -> np.ndarray:
    """Rows of a tensor as f32; a vector is taken whole."""
    data = tensor.data[rows] if tensor.data.ndim > 1 else tensor.data
    return np.asarray(gguf.dequantize(data, tensor.tensor_type), np.float32)


def block_parts(source: Source, shape: LlamaShape, name: str, weight: Weight):
    """Yields the bytes of a matrix in blocks, its rows in ONNX's order."""
    tensor, data = source.tensors[name], source.tensors[name].data
    wanted, got = [weight.shape[0], weight.columns], [int(d) for d in reversed(tensor.shape)]
    expect(got == wanted, f"expected '{name}' of shape {wanted} but got {got}")
    step = max(1, SLICE // (4 * weight.columns))
    for start in range(0, len(data), step):
        finite = np.isfinite(decode(tensor, slice(start, start + step))).all()
        expect(bool(finite), f"expected finite numbers in '{name}'")
    if "q_proj" in name or "k_proj" in name:
        data = halves(data, shape.heads if "q_proj" in name else shape.kv_heads)
    yield data


def weight_parts(source: Source, shape: LlamaShape, name: str, target: tuple[int, ...]):
    """Yields the f32 arrays whose bytes, in order, are the weight."""
    expect(name in source.tensors, f"expected a tensor for '{name}' but got none")
    tensor = source.tensors[name]
    linear = "_proj.weight" in name
    wanted = target[::-1] if linear else target
    got = tuple(int(d) for d in reversed(tensor.shape))
    expect(got == wanted, f"expected '{name}' of shape {list(wanted)} but got {list(got)}")
    if not linear and len(target) == 2:
        step = max(1, SLICE // (4 * target[1]))
        for start in range(0, target[0], step):
            yield decode(tensor, slice(start, start + step))
        return
    values = decode(tensor, slice(None))
    if "q_proj" in name or "k_proj" in name:
        values = halves(values, shape.heads if "q_proj" in name else shape.kv_heads)
    yield values.T if linear else values


def configs(source: Source, shape: LlamaShape) -> dict[str, dict]:
    """The JSON files beside the model, by name."""
    ids = {f"{short}_token_id": index for short, index in gguf_tokenizer.special_ids(source.field).items()}
    ids.pop("unk_token_id", None)
    count = len(source.field("tokenizer.ggml.tokens"))
    expect(count == shape.vocabulary, f"expected {shape.vocabulary} tokens, as the embedding has rows, but got {count}")
    return {"config.json": model_folder.config(shape, float(source.number("rope.freq_base", 10000.0)), ids),
            "generation_config.json": ids, "tokenizer.json": gguf_tokenizer.tokenizer_json(source.field),
            "tokenizer_config.json": gguf_tokenizer.tokenizer_config(source.field, shape.positions)}


def convert(options, progress) -> None:
    source = Source(options.model)
    shape = source.shape()
    model, weights = build_model(shape, model_folder.DATA, source.blocks() if options.keep_blocks else {})
    spare = source.tensors.keys() - {name.removesuffix("_blocks") for name in weights}
    expect(not spare, f"expected every tensor to have a place but got {', '.join(sorted(spare)[:5])}")
    tables = dict(zip(("model.rotary_emb.cos_cache", "model.rotary_emb.sin_cache"),
                      rotary_tables(shape.positions, source.inverse_frequencies(shape.head_size))))

    def parts(weight: Weight):
        if weight.raw:
            return block_parts(source, shape, weight.name.removesuffix("_blocks"), weight)
        if weight.name in tables:
            return [tables[weight.name]]
        return weight_parts(source, shape, weight.name, weight.shape)

    model_folder.write(options, model, weights, parts, configs(source, shape), progress)


def main() -> int:
    parser = model_folder.parser("Turns a GGUF file of the llama family into an ONNX folder.", "GGUF file")
    parser.add_argument("--keep-blocks", action="store_true",
                        help="leave quantized matrices as they are, for llmc alone")
    return model_folder.run(parser.parse_args(), convert)


if __name__ == "__main__":
    sys.exit(main())
