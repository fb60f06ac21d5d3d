# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A small model, compiled by a rule of a recipe, beside the same one in f32."""
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
TEXT = ROOT / "test/models/README.md"
RUN = ("--ids", "1,5,7", "--max-tokens", "2")


def llmc(*arguments, code: int = 0) -> str:
    done = subprocess.run([str(LLMC), *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"expected exit code {code} but got {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class WholeModels(unittest.TestCase):
    # What every rule begins with.
    common = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)

    def recipe(self, rule: str) -> Path:
        file = self.out / "recipe.yaml"
        file.write_text("quantize:\n  - {" + self.common + rule + "}\n", encoding="utf-8")
        return file

    def bundle(self, name: str, rule: str) -> Path:
        llmc("compile", MODEL, "-o", self.out / name, "-q", *(["--recipe", self.recipe(rule)] if rule else []))
        return self.out / name

    def evaluate(self, bundle: Path, against: Path, *more) -> dict:
        return json.loads(llmc("eval", bundle, "--against", against, "--text", TEXT, "--context", 64, "--max-tokens", 300, "--json", "-q", *more))
