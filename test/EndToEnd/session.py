# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A session of a language model, through the C library (llmc/Runtime/llmc.h)."""
from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path

import numpy as np

F32 = 1  # LLMC_F32


class ModelOptions(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("threads", c_uint), ("no_verify", c_int)]


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", c_int), ("rank", c_size_t), ("extents", POINTER(c_int64)), ("data", c_void_p)]


class Session:
    """The entry `lm` of a bundle; logits of all rows of every run."""

    def __init__(self, tool: Path, bundle: Path, threads: int):
        self.c = ctypes.CDLL(str(tool.parent.parent / "lib/libllmcrt.so"))
        for name, result in (("model_open", c_void_p), ("session_create", c_void_p), ("session_input", c_void_p),
                             ("error_text", c_char_p), ("session_state_bytes", c_uint64)):
            getattr(self.c, f"llmc_{name}").restype = result
        self.error = c_void_p()
        options = ModelOptions(ctypes.sizeof(ModelOptions), threads, 0)
        self.model = self.there(self.c.llmc_model_open(str(bundle).encode(), byref(options), byref(self.error)))
        self.session = self.there(self.c.llmc_session_create(self.model, b"lm", None, byref(self.error)))

    def there(self, pointer: int | None) -> c_void_p:
        self.done(not pointer)
        return c_void_p(pointer)

    def done(self, failed: int) -> None:
        if failed:
            raise RuntimeError(self.c.llmc_error_text(self.error).decode())

    def __call__(self, ids: list[int]) -> np.ndarray:
        """Appends `ids`; their logits [len(ids), vocabulary]."""
        data = self.there(self.c.llmc_session_input(self.session, b"ids", c_size_t(1), byref(c_int64(len(ids))), byref(self.error)))
        ctypes.memmove(data, (c_int64 * len(ids))(*ids), 8 * len(ids))
        self.done(self.c.llmc_session_run(self.session, byref(self.error)))
        out = Tensor()
        self.done(self.c.llmc_session_output(self.session, b"logits", byref(out), byref(self.error)))
        if out.dtype != F32:
            raise RuntimeError(f"expected logits of f32 but got type {out.dtype}")
        shape = [out.extents[i] for i in range(out.rank)]
        return np.ctypeslib.as_array(ctypes.cast(out.data, POINTER(ctypes.c_float)), shape).copy()

    def truncate(self, position: int) -> None:
        self.done(self.c.llmc_session_truncate(self.session, c_int64(position), byref(self.error)))

    def state_bytes(self) -> int:
        return self.c.llmc_session_state_bytes(self.session)

    def close(self) -> None:
        self.c.llmc_session_free(self.session)
        self.c.llmc_model_free(self.model)
