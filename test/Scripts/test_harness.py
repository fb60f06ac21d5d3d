# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The harness itself: what it reads, what it counts, and that nothing that goes
wrong is counted as a pass."""
from __future__ import annotations

import sys
import tempfile
import unittest
from pathlib import Path

TEST = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TEST))

from harness import suites
from harness.results import FAILED, PASSED, SKIPPED, Result, apply_expected, closing_line, read_expected

LIT_CONFIG = """
import lit.formats
config.name, config.suffixes = "sample", [".test"]
config.test_format = lit.formats.ShTest()
config.test_source_root = config.test_exec_root = {folder!r}
"""
LIT_TESTS = {"good": "RUN: true\n", "bad": "RUN: false\n", "away": "REQUIRES: moon\nRUN: true\n",
             "known": "XFAIL: *\nRUN: false\n", "surprise": "XFAIL: *\nRUN: true\n"}
# Stands for a GoogleTest program: writes the report and ends with a code.
PROGRAM = """#!{python}
import json, sys
path = sys.argv[1].removeprefix("--gtest_output=json:")
if {report!r} is not None:
    json.dump({report!r}, open(path, "w"))
sys.exit({code})
"""
UNITTESTS = """
import unittest
class Sample(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_error(self): raise KeyError("k")
    @unittest.skip("no moon")
    def test_away(self): pass
    def test_parts(self):
        with self.subTest(part=1): self.fail("part")
        with self.subTest(part=2): pass
"""


def case(name: str, **more) -> dict:
    return {"name": name, "status": "RUN", "result": "COMPLETED", "time": "0.5s", **more}


class Suites(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = Path(home.name)

    def lit(self, names) -> dict[str, str]:
        (self.home / "lit.cfg.py").write_text(LIT_CONFIG.format(folder=str(self.home)))
        for name in names:
            (self.home / f"{name}.test").write_text(LIT_TESTS[name])
        results = suites.lit(Path("/usr/lib/llvm-22/bin/lit"), self.home, self.home / "lit.json")
        return {r.name.split(" :: ")[-1]: r.status for r in results}

    def test_lit(self):
        self.assertEqual(self.lit(LIT_TESTS), {"good.test": PASSED, "bad.test": FAILED, "away.test": SKIPPED,
                                               "known.test": PASSED, "surprise.test": FAILED})

    def test_lit_without_tests(self):
        self.assertEqual(self.lit([]), {"(runner)": FAILED})

    def gtest(self, cases: list[dict] | None, code: int) -> list[Result]:
        report = None if cases is None else {"testsuites": [{"name": "S", "testsuite": cases}]}
        program = self.home / "Program"
        program.write_text(PROGRAM.format(python=sys.executable, report=report, code=code))
        program.chmod(0o755)
        return suites.gtest(program, self.home)

    def test_gtest(self):
        found = self.gtest([case("Good"), case("Bad", failures=[{"failure": "1 is not 2"}]),
                            case("Away", result="SKIPPED"), case("Off", status="NOTRUN", result="SUPPRESSED")], 1)
        self.assertEqual([(r.name, r.status) for r in found],
                         [("Program/S.Good", PASSED), ("Program/S.Bad", FAILED), ("Program/S.Away", SKIPPED),
                          ("Program/S.Off", SKIPPED)])
        self.assertEqual((found[1].detail, found[0].seconds), ("1 is not 2", 0.5))

    def test_gtest_that_dies_before_its_report(self):
        self.assertEqual([r.status for r in self.gtest(None, 139)], [FAILED])

    def test_gtest_that_dies_after_its_report(self):
        self.assertEqual([r.status for r in self.gtest([case("Good")], 139)], [PASSED, FAILED])

    def test_gtest_without_tests(self):
        self.assertEqual([r.status for r in self.gtest([], 0)], [FAILED])

    def test_python(self):
        folder = self.home / "tests"
        folder.mkdir()
        (folder / "test_sample.py").write_text(UNITTESTS)
        found = suites.python(folder, self.home / "python.json")
        self.assertEqual(sorted((r.name.split("Sample.")[-1], r.status) for r in found),
                         [("test_away", SKIPPED), ("test_bad", FAILED), ("test_error", FAILED), ("test_good", PASSED),
                          ("test_parts (part=1)", FAILED)])

    def test_python_that_does_not_load(self):
        folder = self.home / "tests"
        folder.mkdir()
        (folder / "test_sample.py").write_text("import no_such_module_at_all")
        self.assertEqual([r.status for r in suites.python(folder, self.home / "python.json")], [FAILED])


class Results(unittest.TestCase):
    def test_closing_line(self):
        some = [Result("s", "a", PASSED), Result("s", "b", FAILED), Result("s", "c", PASSED)]
        self.assertEqual(closing_line(some), "2 passed, 1 failed")
        self.assertEqual(closing_line(some + [Result("s", "d", SKIPPED)]), "2 passed, 1 failed, 1 skipped")

    def test_expected_failures_are_strict(self):
        results = [Result("s", name, status) for name, status in
                   (("fails", FAILED), ("heals", PASSED), ("plain", PASSED), ("breaks", FAILED), ("away", SKIPPED))]
        expected = dict.fromkeys(["fails", "heals", "away", "gone", "left out"], "why")
        found = {r.name: r.status for r in apply_expected(results, expected, {"left out"})}
        self.assertEqual(found, {"fails": PASSED, "heals": FAILED, "plain": PASSED, "breaks": FAILED, "away": SKIPPED,
                                 "gone": FAILED})

    def test_list_wants_reasons(self):
        with tempfile.TemporaryDirectory() as home:
            path = Path(home) / "list.txt"
            path.write_text("# words\n\na/b:check: because of c: d\n")
            self.assertEqual(read_expected(path), {"a/b:check": "because of c: d"})
            for text in ("a/b:check\n", "a/b: \n", "a: x\na: y\n"):
                path.write_text(text)
                with self.assertRaises(ValueError):
                    read_expected(path)


if __name__ == "__main__":
    unittest.main()
