# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files for other tools whose making is stopped: the same command goes on from
there and makes the same files (stopped.py)."""
from __future__ import annotations

import os
import subprocess
import sys
import unittest

from hostile import BUILD, ROOT, TEST, HostileCase, run
from stopped import WENT_ON, Stopped

sys.path.insert(0, str(TEST / "Scripts"))
import llama_gguf  # noqa: E402

# It adds metrics, which play no part here.
PLUGIN = BUILD / "test/Unit/plugins/metrics.so"


class Files(Stopped):
    verb = "compress"
    data_name = "data"
    moments = (0, 1, 5, 12)
    early = 4
    late = 10
    changes = {"plugin": ["--plugin", PLUGIN], "match": ["--match", r"layers\.0|blk\.0"]}

    def is_step(self, line: bytes) -> bool:
        return b'"work":true' in line  # the tensors that were compressed

    def test_says_of_every_tensor_what_it_is(self):
        """The table of a run that went on is that of one that nobody stopped."""
        table = lambda text: [line.split()[:-2] for line in text.splitlines() if "MB" not in line and WENT_ON not in line]
        undisturbed = run(*self.command(self.out))
        self.clear()
        self.stop_at(8)
        self.assertEqual(table(self.finish().err), table(undisturbed.err))

    def test_disk_that_is_full(self):
        self.fill_disk({name: f"an older {name}" for name in self.reference})


class ResumeOnnx(Files, HostileCase):
    name = "small.onnx"
    partial_name = ".small.onnx.parts.llmc-partial"
    first = ["small.onnx.data"]
    recipe = """quantize:
  - {match: "down", method: mse, format: i8g32.f32, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: i4g32.f32}
"""

    def test_killed_between_its_two_files(self):
        """The data file has its name, the model has not; nothing was there, so nothing has to be forced."""
        self.stop_at(8)
        self.data.write_bytes(self.reference["small.onnx.data"])
        os.link(self.data, self.out / "small.onnx.data")
        self.assertIn(WENT_ON, self.finish().err)
        # A data file of anybody else is not replaced.
        (self.out / "small.onnx").unlink()
        self.refused(run(*self.command(self.out)), "small.onnx.data' exists; --force replaces it")

    def test_other_styles_start_anew(self):
        self.stop_at(4)
        self.assertNotIn(WENT_ON, self.finish("--style", "nbits").err)


class ResumeGguf(Files, HostileCase):
    name = "small.gguf"
    partial_name = ".small.gguf.parts.llmc-partial"
    recipe = """quantize:
  - {match: "down", method: mse, format: q8_0, candidates: 60}
  - {method: sinq, quantizer: mse, candidates: 60, share: true, format: q4_0}
"""

    @classmethod
    def write_model(cls):
        numbers = cls.home / "numbers.gguf"
        llama_gguf.make(numbers, layers=3, hidden=256, heads=4, kv_heads=2, inner=512, tied=False)
        command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", numbers, "-o", cls.model]
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=300)


if __name__ == "__main__":
    unittest.main()
