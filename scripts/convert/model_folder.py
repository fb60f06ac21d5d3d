# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the converters share: the folder they write, and how they refuse.

A folder has model.onnx, model.onnx.data (each weight at a multiple of 4096 bytes,
f32 unless it stays in blocks) and JSON files for the tokenizer and the rest. It
appears under its name only when it is complete.
"""
from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx

from llama_graph import LlamaShape, Weight

DATA = "model.onnx.data"


class ConversionError(ValueError):
    pass


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise ConversionError(message)


def halves(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Undoes the row order of q and k in files that rotate neighbors.

    GGUF and llama2.c rotate (2i, 2i+1); ONNX, like Hugging Face, rotates i and
    i + half. Works on matrices [heads * size, in], on their rows of blocks, and
    on biases.
    """
    size = len(matrix) // heads
    return matrix.reshape(heads, size // 2, 2, -1).swapaxes(1, 2).reshape(matrix.shape)


def config(shape: LlamaShape, rope_theta: float, ids: dict) -> dict:
    """config.json of Hugging Face's Llama."""
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "hidden_size": shape.hidden, "intermediate_size": shape.intermediate, "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_size,
            "vocab_size": shape.vocabulary, "max_position_embeddings": shape.positions,
            "rms_norm_eps": shape.norm_epsilon, "rope_theta": rope_theta,
            "attention_bias": bool(shape.biases), "mlp_bias": False, "tie_word_embeddings": shape.tied,
            "torch_dtype": "float32", **ids}


def _write_weights(parts: Callable[[Weight], Iterable[np.ndarray]], weights: dict[str, Weight], path: Path, progress) -> None:
    with open(path, "wb") as file:
        for count, weight in enumerate(weights.values(), 1):
            file.seek(weight.offset)
            for part in parts(weight):
                expect(bool(np.isfinite(part).all()), f"expected finite numbers in '{weight.name}'")
                file.write(np.ascontiguousarray(part, np.uint8 if weight.raw else "<f4"))
            expect(file.tell() == weight.offset + weight.size, f"expected {weight.size} bytes of '{weight.name}'")
            progress(count, len(weights))


def write(options: argparse.Namespace, model: onnx.ModelProto, weights: dict[str, Weight],
          parts: Callable[[Weight], Iterable[np.ndarray]], texts: dict[str, dict], progress) -> None:
    """Makes the folder. `parts` gives the arrays whose bytes, in order, are a weight; `texts` are JSON files by name."""
    folder = options.output
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        partial.chmod(0o755)
        _write_weights(parts, weights, partial / DATA, progress)
        for name, content in texts.items():
            (partial / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        (partial / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def parser(description: str, source: str) -> argparse.ArgumentParser:
    """The options that every converter has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("model", type=Path, help=source)
    made.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder to make")
    made.add_argument("--force", action="store_true", help="replace FOLDER if it exists")
    return made


def run(options: argparse.Namespace, convert: Callable) -> int:
    """Calls convert(options, progress) and tells how it went; the exit code."""
    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {total} weights", end="\n" if done == total else "", file=sys.stderr, flush=True)

    try:
        expect(options.force or not options.output.exists(), f"{options.output}: expected a new folder; --force replaces it")
        convert(options, progress)
    except (ConversionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"wrote {options.output}", file=sys.stderr)
    return 0
