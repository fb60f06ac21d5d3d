# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An installed llmc, in a folder that was moved after the installation."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))


class Installed(unittest.TestCase):
    # Of cmake, for projects of plugins: all warnings are errors.
    flags = ["-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror"]
    limit = 300  # seconds for a step of a build

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="plugin"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.folder / "first"], check=True, capture_output=True)
        cls.prefix = cls.folder / "moved"
        os.rename(cls.folder / "first", cls.prefix)
        cls.llmc = cls.prefix / "bin/llmc"

    @classmethod
    def build(cls, source: Path, name: str) -> Path:
        """Builds a project and runs its tests, none of which may be left out."""
        build = cls.folder / f"build-{name}"
        for command in (["cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={cls.prefix}", *cls.flags],
                        ["cmake", "--build", build], ["ctest", "--test-dir", build, "--output-on-failure"]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=cls.limit)
            assert done.returncode == 0 and "Skipped" not in done.stdout, f"{command}\n{done.stdout}"
        return build / f"{name}.so"

    def run_llmc(self, *arguments, code: int = 0, program: str = "llmc", **variables) -> str:
        done = subprocess.run([self.prefix / "bin" / program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300,
                              env=dict(os.environ, **variables))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr
