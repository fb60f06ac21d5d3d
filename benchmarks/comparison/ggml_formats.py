# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model whose weights went through a format of ggml and back.

What is left of a model in a format, whatever kernels do with it: llmc evaluates
the decoded weights in f32. The encoder is ggml's own, without an importance
matrix. Matrices are taken as one long row each, for its larger blocks hold 256
numbers and widths need not be a multiple of that. The embedding, and with it a
tied output matrix, has a format of its own.
"""
from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

OUTER = ("model.embed_tokens.weight", "lm_head.weight")


def library(python: Path) -> ctypes.CDLL:
    """ggml, as the llama-cpp-python of that Python brings it."""
    code = "import llama_cpp, pathlib; print(pathlib.Path(llama_cpp.__file__).parent / 'lib/libggml-base.so')"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"expected llama-cpp-python in {python}: benchmarks/compare installs it, or give --peer-python")
    ggml = ctypes.CDLL(done.stdout.strip().splitlines()[-1])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3, ctypes.c_void_p]
    return ggml


def round_trip(ggml: ctypes.CDLL, matrix: np.ndarray, kind: str) -> tuple[np.ndarray, int]:
    """The matrix [out, in] as it comes back, and the bytes of its blocks."""
    import gguf
    type_ = gguf.GGMLQuantizationType[kind.upper()]
    block, size = gguf.GGML_QUANT_SIZES[type_]
    values = np.ascontiguousarray(matrix, np.float32).reshape(-1)
    if values.size % block:
        raise RuntimeError(f"expected a multiple of {block} numbers for {kind} but got {values.size}")
    encoded = np.empty(values.size // block * size, np.uint8)
    written = ggml.ggml_quantize_chunk(int(type_), values.ctypes.data, encoded.ctypes.data, 0, 1, values.size, None)
    if written != encoded.size:
        raise RuntimeError(f"expected ggml to write {encoded.size} bytes of {kind} but it wrote {written}")
    return gguf.dequantize(encoded.reshape(1, -1), type_).reshape(matrix.shape).astype(np.float32), encoded.size


def write(ggml: ctypes.CDLL, source: Path, target: Path, kind: str, embedding: str) -> int:
    """Copies an ONNX folder of our converters, its matrices through `kind` and `embedding`; the bytes they would take."""
    import onnx
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    total, touched = 0, 0
    for tensor in onnx.load(target / "model.onnx", load_external_data=False).graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        if not place or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        data = np.memmap(target / place["location"], "<f4", "r+", int(place["offset"]), tuple(tensor.dims))
        if tensor.name.endswith("_proj.weight"):  # [in, out]
            decoded, size = round_trip(ggml, data.T, kind)
            data[:] = decoded.T
        elif tensor.name in OUTER:
            data[:], size = round_trip(ggml, data, embedding)
        else:
            total += data.nbytes
            continue
        data.flush()
        total, touched = total + size, touched + 1
    if not touched:
        raise RuntimeError(f"expected matrices named like those of our converters in {source}")
    return total
