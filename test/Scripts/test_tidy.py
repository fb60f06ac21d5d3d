# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""clang-tidy finds nothing in what differs from main, and finds what is wrong."""
from __future__ import annotations

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
WRONG = """#include <string>
#include <utility>
namespace llmc {
size_t sizeAfterMove(std::string text) {
  std::string other = std::move(text);
  return text.size() + other.size();
}
} // namespace llmc
"""


def run(*command) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    return done.returncode, done.stdout


class Tidy(unittest.TestCase):
    def test_changed_files_are_clean(self):
        if BUILD != ROOT / "build":
            self.skipTest("scripts/tidy reads build/")
        code, said = run("scripts/tidy")
        self.assertEqual(code, 0, said[-6000:])

    def test_mistakes_are_found(self):
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            file = Path(folder) / "Wrong.cpp"
            file.write_text(WRONG, encoding="utf-8")
            code, said = run("clang-tidy-22", f"--config-file={ROOT}/.clang-tidy", "--quiet", "--warnings-as-errors=*", file, "--", "-std=c++20")
        self.assertNotEqual(code, 0, said)
        self.assertIn("bugprone-use-after-move", said)


if __name__ == "__main__":
    unittest.main()
