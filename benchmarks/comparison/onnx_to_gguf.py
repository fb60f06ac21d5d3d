# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model of an ONNX folder of scripts/convert, a Llama in f32, as a GGUF file, so
that peers that read GGUF quantize the very numbers that llmc does.

Its tokenizer is none that would divide text: peers are given ids.
"""
from __future__ import annotations

import json
from pathlib import Path

import numpy

from comparison.genai_model import DATA, ROWS_FIRST, shape_of
from llama_graph import build_model  # in the path by genai_model

NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
         "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}


def name_of(name: str) -> str | None:
    """llama.cpp's name; none for tables, which it computes."""
    outer = {"model.embed_tokens.weight": "token_embd.weight", "lm_head.weight": "output.weight", "model.norm.weight": "output_norm.weight"}
    if name in outer:
        return outer[name]
    parts = name.split(".")
    if parts[:2] != ["model", "layers"]:
        return None
    return f"blk.{parts[2]}.{NAMES['.'.join(parts[3:-1])]}.weight"


def neighbors(matrix: numpy.ndarray, heads: int) -> numpy.ndarray:
    """Rows of queries or keys as GGUF has them: the rotary embedding turns neighbors, not halves."""
    rows, columns = matrix.shape
    return matrix.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write(folder: Path, target: Path) -> None:
    import gguf
    shape = shape_of(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    writer = gguf.GGUFWriter(target, "llama")
    for key, value in {"block_count": shape.layers, "context_length": shape.positions, "embedding_length": shape.hidden,
                       "feed_forward_length": shape.intermediate, "attention.head_count": shape.heads,
                       "attention.head_count_kv": shape.kv_heads, "rope.dimension_count": shape.head_size,
                       "vocab_size": shape.vocabulary}.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", shape.norm_epsilon)
    writer.add_float32("llama.rope.freq_base", config.get("rope_theta", 10000.0))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokens = sorted(vocabulary, key=vocabulary.get)
    if len(tokens) != shape.vocabulary:
        raise ValueError(f"expected {shape.vocabulary} tokens but got {len(tokens)}")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if i < 3 else gguf.TokenType.NORMAL for i in range(len(tokens))])
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(config["bos_token_id"])
    ends = config.get("eos_token_id", 2)
    writer.add_eos_token_id(ends[0] if isinstance(ends, list) else ends)
    for weight in build_model(shape, DATA)[1].values():
        if (name := name_of(weight.name)) is None:
            continue
        values = numpy.fromfile(folder / DATA, numpy.float32, int(numpy.prod(weight.shape)), offset=weight.offset).reshape(weight.shape)
        if values.ndim == 2 and weight.name not in ROWS_FIRST:
            values = values.T
        for part, heads in (("attn_q.", shape.heads), ("attn_k.", shape.kv_heads)):
            if part in name:
                values = neighbors(values, heads)
        writer.add_tensor(name, numpy.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
