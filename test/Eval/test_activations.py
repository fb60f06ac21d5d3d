# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the key `activations` of a recipe does to a model, and what is said of it."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLMC = Path(os.environ.get("LLMC_BUILD", ROOT / "build")) / "bin/llmc"
MODEL = ROOT / "test/models/llama/optimum"


class Activations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.home.name)
        for name in ("f32", "bf16", "i16", "i8", "auto"):
            (cls.folder / f"{name}.yaml").write_text(
                f"quantize:\n  - {{method: rtn, bits: 4, group: 16, activations: {name}}}\n", encoding="utf-8")
            cls.llmc("compile", MODEL, "-o", cls.folder / name, "--recipe", cls.folder / f"{name}.yaml", "--entry=lm", "-q")

    @classmethod
    def tearDownClass(cls):
        cls.home.cleanup()

    @staticmethod
    def llmc(*arguments) -> str:
        done = subprocess.run(list(map(str, [LLMC, *arguments])), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def divergence(self, name: str) -> float:
        """From the bundle of the same weights whose inputs stay in f32."""
        found = json.loads(self.llmc("eval", self.folder / name, "--against", self.folder / "f32", "--text", ROOT / "LICENSE",
                                     "--max-tokens", 400, "--json", "-q"))
        return found["kl_mean"]["value"]

    def test_wider_inputs_are_nearer(self):
        wide, half, narrow, chosen = map(self.divergence, ("i16", "bf16", "i8", "auto"))
        # An error of a 257th: its square is what divergence sees.
        self.assertLess(wide, narrow / 1e4)
        self.assertGreater(narrow, 0)
        # Eight bits of each number, not of the largest of 32.
        self.assertGreater(half, wide * 100)
        self.assertLess(half, narrow / 4)
        self.assertLess(wide, chosen)
        self.assertLess(chosen, narrow)

    def test_report(self):
        for name, fits in (("f32", lambda _: "inputs in f32"), ("bf16", lambda _: "inputs in bf16"),
                           ("i16", lambda _: "inputs in i16"), ("i8", lambda _: None),
                           ("auto", lambda weight: "inputs in i16" if "down_proj" in weight else None)):
            report = json.loads((self.folder / name / "report.json").read_text(encoding="utf-8"))
            compressed = [line for line in report["tensors"] if "method" in line]
            self.assertGreater(len(compressed), 20)
            for line in compressed:
                self.assertEqual(line.get("note"), fits(line["name"]), line["name"])


if __name__ == "__main__":
    unittest.main()
