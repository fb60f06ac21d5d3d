# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Stands for llama-cpp-python where it is not installed: the few names that
benchmarks/ use, by the Llama in f64 of test/Scripts/llama_gguf.py on the files that
llama.cpp would read. Types of 256 columns are unknown to it."""
import ctypes

import gguf
import numpy as np

import llama_gguf

KINDS = {2: "Q4_0", 3: "Q4_1", 7: "Q8_0"}  # llama.h: enum llama_ftype


class Parameters:
    """What the caller sets."""


def llama_model_quantize_default_params() -> Parameters:
    return Parameters()


def llama_model_quantize(source: bytes, target: bytes, parameters: Parameters) -> int:
    if parameters.ftype not in KINDS or not parameters.allow_requantize:
        return 1
    reader, kind = gguf.GGUFReader(source.decode()), gguf.GGMLQuantizationType[KINDS[parameters.ftype]]
    writer = gguf.GGUFWriter(target.decode(), "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            items = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=items)
    for tensor in reader.tensors:
        values = llama_gguf.decoded(tensor)
        matrix = values.ndim == 2
        writer.add_tensor(tensor.name, gguf.quantize(values, kind) if matrix else values, raw_dtype=kind if matrix else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return 0


def llama_print_system_info() -> bytes:
    return b"NUMPY = 1"


class Llama:
    def __init__(self, model_path: str, n_ctx: int, **_):
        self.reader, self.most = gguf.GGUFReader(model_path), n_ctx
        self._ctx = self
        self.reset()

    def reset(self) -> None:
        self.ids = []

    @property
    def n_tokens(self) -> int:
        return len(self.ids)

    def eval(self, ids: list[int]) -> None:
        self.ids = self.ids + list(ids)
        if len(self.ids) > self.most:
            raise ValueError(f"expected at most {self.most} tokens but got {len(self.ids)}")
        self.scores = llama_gguf.forward(self.reader, self.ids).astype(np.float32)

    def get_logits_ith(self, index: int):
        self.row = np.ascontiguousarray(self.scores[index])
        return self.row.ctypes.data_as(ctypes.POINTER(ctypes.c_float))

    def n_vocab(self) -> int:
        return self.scores.shape[1]

    def token_bos(self) -> int:
        return self.reader.fields["tokenizer.ggml.bos_token_id"].contents()
