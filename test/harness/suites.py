# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs lit, GoogleTest and Python's unittest, and reads their reports.

Each function returns a list of results; a runner that dies, or that finds no
test at all, is a failed result of its own and never an empty list.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

from harness.results import FAILED, PASSED, SKIPPED, Result

LIMIT = 900  # seconds for one program of tests


def run(command: list, **options) -> tuple[int, str]:
    """Exit code and all that was printed; -1 when the time ran out."""
    try:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, timeout=LIMIT, **options)
        return done.returncode, done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as expired:
        return -1, (expired.stdout or b"").decode("utf-8", "replace") + f"\nnot done after {LIMIT} s"
    except OSError as error:
        return -1, str(error)


def tail(text: str, lines: int = 40) -> str:
    return "\n".join(text.rstrip().splitlines()[-lines:])


LIT_STATUS = {"PASS": PASSED, "FLAKYPASS": PASSED, "XFAIL": PASSED, "UNSUPPORTED": SKIPPED, "EXCLUDED": SKIPPED,
              "SKIPPED": SKIPPED}


def read_lit(report: Path) -> list[Result]:
    """The results of lit's --output. (Its XML counts unexpected passes as passes.)"""
    results = []
    for case in json.loads(report.read_text(encoding="utf-8")).get("tests", []):
        status = LIT_STATUS.get(case["code"], FAILED)
        detail = f"{case['code']}\n{tail(case['output'])}" if status == FAILED else ""
        if status == SKIPPED:
            detail = case["output"].strip() or case["code"].lower()
        results.append(Result("lit", case["name"], status, detail, case.get("elapsed") or 0.0))
    return results


def lit(tool: Path, folder: Path, report: Path) -> list[Result]:
    report.unlink(missing_ok=True)
    code, output = run([tool, "-q", f"--output={report}", folder])
    results = read_lit(report) if report.is_file() else []
    if not results or code != 0 and all(r.status != FAILED for r in results):
        results.append(Result("lit", "(runner)", FAILED, f"exit code {code}\n{tail(output)}"))
    return results


def read_gtest(report: Path, program: str) -> list[Result]:
    """The results of a GoogleTest program's --gtest_output=json."""
    results = []
    for group in json.loads(report.read_text(encoding="utf-8")).get("testsuites", []):
        for case in group.get("testsuite", []):
            name = f"{program}/{group['name']}.{case['name']}"
            failures = case.get("failures", [])
            idle = case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN"
            status = FAILED if failures else SKIPPED if idle else PASSED
            detail = "\n".join(failure.get("failure", "") for failure in failures) or ("skipped by the test" if idle else "")
            results.append(Result("GoogleTest", name, status, detail, float(str(case.get("time", "0")).rstrip("s"))))
    return results


def gtest(program: Path, reports: Path) -> list[Result]:
    report = reports / f"{program.name}.json"
    report.unlink(missing_ok=True)
    code, output = run([program, f"--gtest_output=json:{report}"], cwd=program.parent)
    results = read_gtest(report, program.name) if report.is_file() else []
    if not results or code != 0 and all(r.status != FAILED for r in results):
        results.append(Result("GoogleTest", f"{program.name}/(program)", FAILED, f"exit code {code}\n{tail(output)}"))
    return results


class _Collector(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.results: list[Result] = []
        self.started = 0.0

    def _add(self, test, status: str, detail: str = "") -> None:
        self.results.append(Result("Python", test.id(), status, detail, time.monotonic() - self.started))

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def addSuccess(self, test):
        self._add(test, PASSED)

    def addFailure(self, test, error):
        self._add(test, FAILED, tail(self._exc_info_to_string(error, test)))

    addError = addFailure

    def addSkip(self, test, reason):
        self._add(test, SKIPPED, reason)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._add(subtest, FAILED, tail(self._exc_info_to_string(error, test)))

    def addExpectedFailure(self, test, error):
        self._add(test, PASSED)

    def addUnexpectedSuccess(self, test):
        self._add(test, FAILED, "expected to fail but passes")


def python_main(folder: str, report: str) -> None:
    """Entry of the child that runs a folder of unittests."""
    collector = _Collector()
    unittest.defaultTestLoader.discover(folder, pattern="test_*.py", top_level_dir=folder).run(collector)
    Path(report).write_text(json.dumps([r.__dict__ for r in collector.results]), encoding="utf-8")


def python(folder: Path, report: Path) -> list[Result]:
    """The test_*.py of a folder, in a process of their own."""
    report.unlink(missing_ok=True)
    code = "import sys; from harness.suites import python_main; python_main(*sys.argv[1:])"
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parent.parent))
    status, output = run([sys.executable, "-c", code, folder, report], env=environment)
    results = [Result(**r) for r in json.loads(report.read_text(encoding="utf-8"))] if report.is_file() else []
    if status != 0 or not results:
        results.append(Result("Python", f"{folder.name}/(runner)", FAILED, f"exit code {status}\n{tail(output)}"))
    return results
