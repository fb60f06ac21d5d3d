# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Every block type that is also a format: random blocks decode to the very bits
that the `gguf` package gives."""
from __future__ import annotations

import os
import subprocess
import unittest
from pathlib import Path

import gguf
import numpy as np

BUILD = Path(os.environ.get("LLMC_BUILD", Path(__file__).resolve().parents[2] / "build"))
PROGRAM = BUILD / "test/Unit/DecodeBlocks"
# Where the f16 numbers of a block are.
REALS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
         "Q6_K": [208], "IQ4_NL": [0]}


class Gguf(unittest.TestCase):
    def check(self, name: str) -> None:
        kind = gguf.GGMLQuantizationType[name]
        width, size = gguf.GGML_QUANT_SIZES[kind]
        rows, blocks = 7, 5
        random = np.random.default_rng(sum(map(ord, name)))
        data = random.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
        for at in REALS[name]:  # any finite number, subnormal ones too
            exponent = random.integers(0, 31, (rows, blocks), dtype=np.uint8)
            data[:, :, at + 1] = data[:, :, at + 1] & 0x83 | exponent << 2
        data = data.reshape(rows, blocks * size)
        expected = gguf.quants.dequantize(data, kind).astype(np.float32)
        self.assertEqual(expected.shape, (rows, blocks * width))
        self.assertTrue(np.isfinite(expected).all())
        done = subprocess.run([PROGRAM, name.lower(), str(rows), str(blocks * width)], input=data.tobytes(),
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        got = np.frombuffer(done.stdout, np.float32).reshape(2, rows, blocks * width)
        for values in got:
            # Bits, but for the sign of 0: a sum of opposite numbers has none.
            np.testing.assert_array_equal(values + 0.0, expected + 0.0)

    def test_blocks_that_do_not_fit(self):
        done = subprocess.run([PROGRAM, "q4_k", "1", "256"], input=b"\0" * 143, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"but got 143 bytes", done.stderr)


for _name in REALS:
    setattr(Gguf, f"test_{_name.lower()}", lambda self, name=_name: self.check(name))

if __name__ == "__main__":
    unittest.main()
