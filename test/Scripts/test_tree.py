# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Rules of the tree that a machine can check."""
from __future__ import annotations

import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {".c", ".h", ".cpp", ".td", ".py", ".cmake", ".rs", ".sh"}
LICENCE = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
LONGEST = 900  # lines


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, check=True, text=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


class Tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        own = [p for p in tracked() if "third_party" not in p.parts]
        cls.sources = [p for p in own if p.suffix in SOURCES or p.name == "CMakeLists.txt" or cls.is_script(p)]
        cls.texts = {p: p.read_text(encoding="utf-8") for p in cls.sources}

    @staticmethod
    def is_script(path: Path) -> bool:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"

    def named(self, found) -> None:
        names = sorted(str(p.relative_to(ROOT)) for p in found)
        self.assertEqual(names, [])

    def test_finds_sources(self):
        self.assertGreater(len(self.sources), 20)
        self.assertIn(Path(__file__).resolve(), self.sources)

    def test_every_source_names_its_licence(self):
        self.named(p for p, text in self.texts.items() if LICENCE not in "\n".join(text.splitlines()[:4]))

    def test_no_source_is_too_long(self):
        self.named(p for p, text in self.texts.items() if text.count("\n") > LONGEST)

    def test_scripts_name_no_address(self):
        kinds = {".py", ".sh", ".cmake", ".toml"}
        files = [p for p in tracked() if p.suffix in kinds or p.name == "CMakeLists.txt" or p in self.texts and self.is_script(p)]
        self.named(p for p in files if re.search(r"https?:/" "/", p.read_text(encoding="utf-8")))

    def test_nothing_is_left_for_later(self):
        words = re.compile(r"\b(" + "|".join(["TO" "DO", "FIX" "ME", "XX" "X"]) + r")\b")
        self.named(p for p, text in self.texts.items() if words.search(text))

    def test_formatted(self):
        done = subprocess.run([ROOT / "scripts/format", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])

    def test_compiled_sources_use_our_includes(self):
        wrong = re.compile(r'#include ["<](\.\./|include/)')
        self.named(p for p, text in self.texts.items() if wrong.search(text))


if __name__ == "__main__":
    unittest.main()
