# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compilations that are stopped: the same command goes on from there and makes
the same bundle (stopped.py)."""
from __future__ import annotations

import unittest

from hostile import MODELS, HostileCase, run
from stopped import Stopped


class Resume(Stopped, HostileCase):
    verb = "compile"
    name = "bundle"
    recipe = """quantize:
  - {match: "down", method: mse, format: i8g32.lr8, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: u4g64}
"""
    partial_name = ".bundle.llmc-partial"
    data_name = "weights.safetensors"
    # Lines: the run, six scales of columns, six tensors of them, eighteen matrices.
    moments = (1, 4, 8, 13, 20)
    early = 10
    late = 16
    changes = {"name of a recipe": ["--recipe", "w4"], "target": ["--target", "x86-64-v3"], "dimension": ["--dim", "n=3"]}

    def is_step(self, line: bytes) -> bool:
        return True

    def write_older(self) -> None:
        self.assertEqual(run("compile", MODELS / "llama16/genai_fp32", "-o", self.out / "bundle").code, 0)

    def test_scales_of_columns_are_kept(self):
        self.stop_at(4)
        before = [line for line in self.lines() if b'"scale"' in line]
        self.assertGreaterEqual(len(before), 3)
        self.stop_at(9)
        self.assertEqual(self.lines()[1:1 + len(before)], before)
        self.assertEqual(sum(b'"scale"' in line for line in self.lines()), 6)
        self.finish()

    def test_disk_that_is_full(self):
        self.fill_disk({})


if __name__ == "__main__":
    unittest.main()
