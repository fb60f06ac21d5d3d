# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats made of element types that ONNX has, too: every code under every scale
is the number that the `onnx` package reads."""
from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

import numpy as np
from onnx import TensorProto, numpy_helper

BUILD = Path(os.environ.get("LLMC_BUILD", Path(__file__).resolve().parents[2] / "build"))
PROGRAM = BUILD / "test/Unit/DecodeBlocks"


def decode(name: str, codes: np.ndarray, scales: np.ndarray, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([PROGRAM, name, *map(str, codes.shape)], input=codes.tobytes() + scales.tobytes(),
                          capture_output=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done


class OnnxTypes(unittest.TestCase):
    def test_mxfp4(self):
        """Elements are float4e2m1, scales float8e8m0. Our levels are doubled, so a scale of ours is one less."""
        random = np.random.default_rng(4)
        scales = np.tile(np.arange(1, 255, dtype=np.uint8)[:, None], (1, 3))  # 0 has no place, 255 is no number
        codes = random.integers(0, 16, (len(scales), 80), dtype=np.uint8)
        codes[:, :16] = np.arange(16)
        packed = (codes[:, 0::2] | codes[:, 1::2] << 4).tobytes()
        elements = numpy_helper.to_array(TensorProto(data_type=TensorProto.FLOAT4E2M1, dims=codes.shape, raw_data=packed))
        factors = numpy_helper.to_array(TensorProto(data_type=TensorProto.FLOAT8E8M0, dims=scales.shape, raw_data=scales.tobytes()))
        with np.errstate(over="ignore"):
            expected = (elements.astype(np.float64) * np.repeat(factors.astype(np.float64), 32, 1)[:, :80]).astype(np.float32)
        self.assertEqual(len(np.unique(elements.astype(np.float32))), 15)
        got = np.frombuffer(decode("mxfp4", codes, scales - 1).stdout, np.float32).reshape(2, *codes.shape)
        for values in got:
            # All are exact in f32 or beyond it; 0 has no sign.
            np.testing.assert_array_equal(values + 0.0, expected + 0.0)

    def test_what_does_not_fit(self):
        codes, scales = np.zeros((2, 32), np.uint8), np.zeros((2, 1), np.uint8)
        self.assertIn(b"but got 65 bytes", decode("mxfp4", codes, scales[1:], code=1).stderr)
        self.assertIn(b"a code alone", decode("u4g32", codes, scales, code=1).stderr)


if __name__ == "__main__":
    unittest.main()
