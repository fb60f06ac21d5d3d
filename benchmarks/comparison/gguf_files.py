# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The model's GGUF in other types.

Float files are decoded here. The others are made by llama.cpp's own quantizer,
which decides which tensors keep more bits, so they are what a user of it has.
From a 4-bit source nothing gains exactness: these files serve speed only.
"""
from __future__ import annotations

import os
from pathlib import Path

FLOATS = {"f32": ("ALL_F32", "float32"), "f16": ("MOSTLY_F16", "float16")}
TYPES = {"q4_0": 2, "q4_1": 3, "q8_0": 7, "q4_k_s": 14, "q4_k_m": 15, "iq4_nl": 25}  # llama.h: enum llama_ftype


def write_floats(source: Path, kind: str, target: Path) -> None:
    """Metadata as it is, matrices as f32 or f16; vectors stay f32, as llama.cpp keeps them."""
    import gguf
    reader = gguf.GGUFReader(source)
    file_type, number = FLOATS[kind]
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    own = ("general.architecture", "general.file_type", "general.quantization_version")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in own:
            continue
        items = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=items)
    writer.add_file_type(gguf.LlamaFileType[file_type])
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(number if values.ndim > 1 else "float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source: Path, kind: str, target: Path) -> None:
    import llama_cpp
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = TYPES[kind]
    parameters.allow_requantize = True
    parameters.nthread = os.cpu_count() or 1
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters)
    if code != 0:
        raise RuntimeError(f"expected llama.cpp to write {kind} but it returned {code}")


def ensure(source: Path, kind: str, folder: Path) -> Path:
    """The path of the file of that type; made when it is missing or older than the source."""
    target = folder / f"{source.stem.rsplit('.', 1)[0]}.{kind}.gguf"
    if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    try:
        (write_floats if kind in FLOATS else quantize)(source, kind, partial)
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    return target
