# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The transcripts of docs/ are what the programs print.

A block whose first line has a name behind its language is a file of that name.
In a ```console block, `$ ` begins a command, what follows is its output (first
what it says, then what it reports), and `[exit code N]` ends one that fails. In
an output, `...` stands for anything, a line `...` for any lines."""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))


def commands(text: str) -> list[tuple[str, str, int]]:
    """Command, expected output, exit code."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            code = re.search(r"^\[exit code (\d+)\]\n", output, re.M)
            found.append((command, re.sub(r"^\[exit code \d+\]\n", "", output, flags=re.M), int(code[1]) if code else 0))
    return found


def files(text: str) -> list[tuple[str, str]]:
    """Name, text."""
    return re.findall(r"^```\w+ ([\w.-]+)\n(.*?)^```$", text, re.M | re.S)


def pattern(expected: str) -> str:
    lines = [r"(?:.*\n)*?" if line == "...\n" else ".*".join(map(re.escape, line.split("...")))
             for line in expected.splitlines(keepends=True)]
    return "".join(lines)


class Docs(unittest.TestCase):
    def test_transcripts(self):
        environment = dict(os.environ, LC_ALL="C", PATH=os.pathsep.join(
            [str(BUILD / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]))
        pages = sorted((ROOT / "docs").glob("*.md"))
        self.assertTrue(pages)
        for page in pages:
            found = commands(page.read_text(encoding="utf-8"))
            self.assertTrue(found, page.name)
            with tempfile.TemporaryDirectory() as folder:
                os.symlink(ROOT / "test", Path(folder) / "test")
                if "--install build" in page.read_text(encoding="utf-8"):
                    os.symlink(BUILD, Path(folder) / "build")
                for name, content in files(page.read_text(encoding="utf-8")):
                    (Path(folder) / name).write_text(content, encoding="utf-8")
                for command, expected, code in found:
                    with self.subTest(f"{page.name}: {command}"):
                        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True,
                                              text=True, timeout=400)
                        self.assertEqual(done.returncode, code, done.stderr)
                        self.assertRegex(done.stdout + done.stderr, rf"\A{pattern(expected)}\Z")

    def test_paths_exist(self):
        """What is named like a path of the tree is one."""
        pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
        names = {name for page in pages for name in re.findall(r"`((?:include|lib|passes|dialects|tools|scripts|test|examples|docs|plugins)/[\w./-]*)`",
                                                             page.read_text(encoding="utf-8"))}
        made = {"test/Unit/Import/ThresholdTest.cpp", "test/Passes/Fuse/llmc-expand-threshold.mlir", "test/Dialect/NN/threshold.mlir",
                "passes/Fuse/ExpandThreshold.cpp", "test/Import/test_threshold.py"}  # by the recipes of CONTRIBUTING.md
        self.assertGreater(len(names), 10)
        self.assertEqual(sorted(name for name in names - made if not (ROOT / name).exists()), [])


if __name__ == "__main__":
    unittest.main()
