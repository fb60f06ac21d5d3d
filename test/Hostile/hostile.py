# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs llmc on files that lie, and says what a clean end is: success, or one
clear error with the right exit code, and nothing left behind."""
from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

TEST = Path(__file__).resolve().parents[1]
ROOT = TEST.parent
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
LLMC = BUILD / "bin/llmc"
TOY_BUNDLE = BUILD / "test/Unit/toy-bundle"
MODELS = TEST / "models"

SECONDS = 60
MEMORY = 6 << 30  # of address space: a bomb must end here and not in the machine


@dataclass
class Outcome:
    code: int  # negative: ended by that signal
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("llmc: error: ")]

    def __str__(self):
        return f"exit code {self.code}\n{self.err[-2000:]}"


def run(*arguments, stdin: bytes = b"", memory: int = MEMORY) -> Outcome:
    def limit():
        # Sanitizers reserve terabytes, and have a limit of their own (test/run_all.py).
        if not os.environ.get("LLMC_SANITIZED"):
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    try:
        done = subprocess.run([str(LLMC), *map(str, arguments)], input=stdin, capture_output=True, timeout=SECONDS,
                              preexec_fn=limit)
    except subprocess.TimeoutExpired:
        return Outcome(-9, "", f"not done after {SECONDS} s")
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


class HostileCase(unittest.TestCase):
    """Each test has a folder of its own; `out` in it is where bundles go."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="llmc-hostile-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.out = self.folder / "out"
        self.out.mkdir()

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def toy(self, name: str = "toy") -> Path:
        """A bundle of the toy model, with words."""
        path = self.folder / name
        subprocess.run([TOY_BUNDLE, path], check=True)
        subprocess.run([sys.executable, TEST / "Driver/Inputs/toy_text.py", path], check=True)
        return path

    def refused(self, outcome: Outcome, *parts: str, code: int = 1) -> str:
        """Expects one error with all parts, and the exit code."""
        self.assertEqual(outcome.code, code, outcome)
        self.assertEqual(len(outcome.errors), 1, outcome)
        for part in parts:
            self.assertIn(part, outcome.err)
        return outcome.err

    def clean(self, outcome: Outcome, what: str) -> None:
        """Expects success, or an error of the input."""
        self.assertIn(outcome.code, (0, 1), f"{what}: {outcome}")
        if outcome.code:
            self.assertTrue(outcome.errors, f"{what}: {outcome}")

    def not_compiled(self, model: Path, *parts: str, options=()) -> str:
        """Expects compile to refuse a model and to leave nothing."""
        text = self.refused(run("compile", model, "-o", self.out / "bundle", *options), *parts)
        self.assertEqual([p.name for p in self.out.iterdir()], [])
        return text
