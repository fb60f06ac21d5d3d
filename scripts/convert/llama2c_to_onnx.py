#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Turns a llama2.c checkpoint (format 0, f32) into an ONNX folder.

    llama2c_to_onnx.py MODEL.bin --tokenizer TOKENIZER.bin -o FOLDER [--force]

FOLDER gets what gguf_to_onnx.py writes: model.onnx, model.onnx.data, config.json,
generation_config.json, tokenizer.json and tokenizer_config.json.

The file is seven numbers (i32: width, width of the feed-forward part, layers,
heads, heads of keys and values, vocabulary, longest context; the vocabulary is
negative where the output matrix is not the embedding) and then f32 tensors, each
kind for all layers. It is mapped, so memory is bounded by the largest matrix.
"""
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import llama2c_tokenizer
import model_folder
from llama_graph import LlamaShape, Weight, build_model, rotary_tables
from model_folder import expect, halves

HEADER = 7  # numbers
LIMITS = {"width": 1 << 17, "inner width": 1 << 20, "layers": 1000, "heads": 1 << 12, "key heads": 1 << 12,
          "vocabulary": 1 << 22, "context": 1 << 24}
NORM_EPSILON = 1e-5  # constants of llama2.c, which the file does not name
ROTARY_BASE = 10000.0
TABLE_ERROR = 1e-3  # of the file's own tables, whose angles were computed in f32

# Our name of a layer's tensor, in the order of the file without the outer ones.
BEFORE = ["input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
          "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"]


class Checkpoint:
    """A mapped file: its shape and, by our names, its tensors as they lie, [layers, out, in]."""

    def __init__(self, path: Path):
        size = path.stat().st_size
        expect(size >= 4 * HEADER and size % 4 == 0, f"{path}: expected a llama2.c file but got {size} bytes")
        numbers = np.fromfile(path, "<i4", HEADER).tolist()
        tied, numbers[5] = numbers[5] > 0, abs(numbers[5])
        for value, (name, limit) in zip(numbers, LIMITS.items()):
            expect(0 < value <= limit, f"{path}: expected {name} from 1 to {limit} but got {value}")
        hidden, inner, layers, heads, kv_heads, vocabulary, positions = numbers
        expect(hidden % heads == 0 and hidden // heads % 2 == 0 and heads % kv_heads == 0,
               f"{path}: expected even heads that divide {hidden} and a multiple of {kv_heads} of them but got {heads}")
        self.shape = LlamaShape(layers, hidden, inner, heads, kv_heads, hidden // heads, vocabulary, positions, NORM_EPSILON, tied)
        self.tensors = self._tensors(path, size // 4 - HEADER)

    def _tensors(self, path: Path, count: int) -> dict[str, np.ndarray]:
        shape = self.shape
        kv, half = shape.kv_heads * shape.head_size, shape.head_size // 2
        sizes = {"input_layernorm": [shape.hidden], "post_attention_layernorm": [shape.hidden],
                 "self_attn.q_proj": [shape.hidden, shape.hidden], "self_attn.k_proj": [kv, shape.hidden],
                 "self_attn.v_proj": [kv, shape.hidden], "self_attn.o_proj": [shape.hidden, shape.hidden],
                 "mlp.gate_proj": [shape.intermediate, shape.hidden], "mlp.down_proj": [shape.hidden, shape.intermediate],
                 "mlp.up_proj": [shape.intermediate, shape.hidden]}
        order = {"model.embed_tokens": [shape.vocabulary, shape.hidden], **{name: [shape.layers, *sizes[name]] for name in BEFORE},
                 "model.norm": [shape.hidden], "cos": [shape.positions, half], "sin": [shape.positions, half]}
        if not shape.tied:
            order["lm_head"] = [shape.vocabulary, shape.hidden]
        wanted = sum(int(np.prod(extents, dtype=np.int64)) for extents in order.values())
        expect(count == wanted, f"{path}: expected {wanted} numbers for this shape but got {count}")
        data = np.memmap(path, "<f4", "r", 4 * HEADER)
        found, at = {}, 0
        for name, extents in order.items():
            end = at + int(np.prod(extents, dtype=np.int64))
            found[name] = data[at:end].reshape(extents)
            at = end
        return found

    def tables(self) -> dict[str, np.ndarray]:
        """cos and sin, computed in f64; those of the file only tell that they are meant."""
        size = self.shape.head_size
        frequencies = ROTARY_BASE ** (-np.arange(0, size, 2, dtype=np.float64) / size)
        tables = dict(zip(("cos", "sin"), rotary_tables(self.shape.positions, frequencies)))
        for name, table in tables.items():
            error = np.abs(table - self.tensors[name]).max()
            expect(error <= TABLE_ERROR, f"expected rotary tables of base {ROTARY_BASE:g} but '{name}' differs by {error:.2g}")
        return {f"model.rotary_emb.{name}_cache": table for name, table in tables.items()}

    def part(self, name: str) -> np.ndarray:
        """A weight of the graph, whose matrices are [in, out]."""
        path = name.removesuffix(".weight")
        if not path.startswith("model.layers."):
            return self.tensors[path]
        index, kind = path.removeprefix("model.layers.").split(".", 1)
        values = self.tensors[kind][int(index)]
        if kind.endswith(("q_proj", "k_proj")):
            values = halves(values, self.shape.heads if kind.endswith("q_proj") else self.shape.kv_heads)
        return values.T


def convert(options, progress) -> None:
    source = Checkpoint(options.model)
    tokenizer = llama2c_tokenizer.Tokenizer(options.tokenizer, source.shape.vocabulary)
    tables = source.tables()
    # A text ends where the begin token of the next one stands; the end token never occurs.
    ends = {"bos_token_id": llama2c_tokenizer.BEGIN, "eos_token_id": [llama2c_tokenizer.END, llama2c_tokenizer.BEGIN]}
    texts = {"config.json": model_folder.config(source.shape, ROTARY_BASE, ends), "generation_config.json": ends,
             "tokenizer.json": tokenizer.json(), "tokenizer_config.json": tokenizer.config(source.shape.positions)}

    def parts(weight: Weight):
        return [tables[weight.name] if weight.name in tables else source.part(weight.name)]

    model, weights = build_model(source.shape, model_folder.DATA)
    model_folder.write(options, model, weights, parts, texts, progress)


def main() -> int:
    parser = model_folder.parser("Turns a llama2.c checkpoint into an ONNX folder.", "llama2.c file of format 0")
    parser.add_argument("--tokenizer", type=Path, required=True, metavar="FILE", help="its tokenizer.bin")
    return model_folder.run(parser.parse_args(), convert)


if __name__ == "__main__":
    sys.exit(main())
