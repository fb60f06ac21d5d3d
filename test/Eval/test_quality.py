# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""benchmarks/quality: its table, and a run on a tiny model."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "benchmarks"))

from comparison import quality

EVAL = {"perplexity": {"value": 5.5, "low": 5.4, "high": 5.6}, "excess": {"value": 0.01234, "low": -0.001, "high": 0.02},
        "kl_mean": {"value": 0.0042, "low": 0.004, "high": 0.005}, "kl_p99_9": {"value": 0.25}, "same_top1": {"value": 0.975},
        "reference_perplexity": {"value": 5.43}, "scored_tokens": 7, "text_tokens": 9, "protocol": {"name": "window", "window": 4}}


class Table(unittest.TestCase):
    def test_row(self):
        result = {"recipe": "w4", "compile_seconds": 1.25, "info": {"weight_bytes": 9_000_000}, "eval": EVAL}
        self.assertEqual(quality.row_of(result, 16_000_000),
                         ["w4", "9.0", "4.50", "5.5000", "1.234 [-0.100, 2.000]", "0.00420 [0.00400, 0.00500]", "0.250", "97.50", "1.2"])

    def test_what_failed_is_told(self):
        results = [{"recipe": "w4", "compile_seconds": 1.0, "info": {"weight_bytes": 1}, "eval": EVAL},
                   {"recipe": "w9", "reason": "unknown recipe"}]
        lines = quality.report({"model": "m", "text": "/t/a.txt", "reference": "f32", "numbers": 2, "results": results}).splitlines()
        self.assertEqual(lines[0], "m on a.txt: 7 of 9 tokens scored; name window, window 4; reference f32: perplexity 5.4300")
        self.assertEqual(len(lines), 6)
        self.assertEqual(lines[4].split(), ["w9", *["-"] * 8])
        self.assertEqual(lines[5], "not measured: w9: unknown recipe")


class Run(unittest.TestCase):
    def test_tiny(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "quality.json"
            command = [sys.executable, ROOT / "benchmarks/quality", "--llmc", BUILD / "bin/llmc", "--model", ROOT / "test/models/llama/optimum",
                       "--text", ROOT / "LICENSE", "--max-tokens", 300, "--context", 32, "--recipes", "f32,no-such-recipe", "--json", out]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 1, done.stderr)
            found = json.loads(out.read_text(encoding="utf-8"))
            plain, unknown = found["results"]
            self.assertEqual(plain["eval"]["kl_mean"]["value"], 0)
            self.assertEqual(plain["eval"]["text_tokens"], 300)
            self.assertGreater(plain["eval"]["perplexity"]["value"], 1)
            self.assertIn("no-such-recipe", unknown["reason"])
            self.assertIn("not measured: no-such-recipe", done.stdout)


if __name__ == "__main__":
    unittest.main()
