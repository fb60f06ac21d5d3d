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
        build = cls.folder / f"build-{name}"
        for command in (["cmake", "-G", "Ninja", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={cls.prefix}",
                         "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Werror"],
                        ["cmake", "--build", build], ["ctest", "--test-dir", build, "--output-on-failure"]):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
            assert done.returncode == 0, f"{command}\n{done.stdout}"
        return build / f"{name}.so"

    def run_llmc(self, *arguments, code: int = 0) -> str:
        done = subprocess.run([self.llmc, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr
