# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A model larger than the memory that the compiler may have.

The limit is on private memory (`ulimit -d`, which the kernel enforces): heap,
stacks and what libraries change. Pages of the model and of the bundle are the
files' own; the system takes them back when it needs them, so they do not count.
docs/using.md has the formula."""
from __future__ import annotations

import os
import resource
import subprocess
import unittest

from hostile import LLMC, HostileCase
from synthetic import write_model

BASE = 300 << 20


class Memory(HostileCase):
    def check(self, verb: str, output: str, data: str, form: str) -> None:
        """Makes `output`, whose tensors are in the file `data`, of few bytes and of many."""
        full = "LLMC_FULL" in os.environ
        width, layers, threads = (4096, 21, 2) if full else (1024, 32, 2)
        size = write_model(self.folder / "model", layers, width, width)
        # No scale is shared, so matrices are looked at one by one.
        largest = width * width
        limit = BASE + 6 * largest + (16 << 20) * threads
        self.assertGreater(size, limit)
        recipe = self.write("recipe.yaml", f"quantize:\n  - {{method: sinq, format: {form}}}\n")

        def make(folder: str, threads: int, limit: int) -> bytes:
            def limited() -> None:
                if not os.environ.get("LLMC_SANITIZED"):
                    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

            (self.out / folder).mkdir()
            done = subprocess.run([LLMC, verb, self.folder / "model", "-o", self.out / folder / output, "--recipe", recipe,
                                   "--threads", str(threads)], preexec_fn=limited, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr[-2000:])
            return (self.out / folder / data).read_bytes()

        few = make("few", threads, limit)
        # Neither the limit nor the threads change a byte.
        self.assertTrue(few == make("many", 3, resource.RLIM_INFINITY))

    def test_model_larger_than_memory(self):
        self.check("compile", "bundle", "bundle/weights.safetensors", "u4g64")

    def test_file_larger_than_memory(self):
        self.check("compress", "small.onnx", "small.onnx.data", "i4g64.f32")


if __name__ == "__main__":
    unittest.main()
