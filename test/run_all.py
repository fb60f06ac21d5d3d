#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs every suite on a finished build and sums them up; scripts/check calls it.

    run_all.py [--build FOLDER] [--full] [--suite NAME]... [--skip NAME]... [--folder NAME]...

Suites: lit, unit, python, e2e, conformance. Prints a line per suite, every failure with its
output, why tests were skipped, and last `N passed, N failed[, N skipped]`.
"""
from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from harness import suites
from harness.results import FAILED, PASSED, SKIPPED, Result, closing_line

ROOT = Path(__file__).resolve().parent.parent
LIT = Path("/usr/lib/llvm-22/bin/lit")


def run_lit(build: Path, reports: Path) -> list[Result]:
    return suites.lit(LIT, build / "test", reports / "lit.json")


def run_unit(build: Path, reports: Path) -> list[Result]:
    """The programs that CMake lists, so that none can be forgotten."""
    folder = build / "test/Unit"
    names = (folder / "programs.txt").read_text(encoding="utf-8").split()
    return [result for name in names for result in suites.gtest(folder / name, reports)]


# Names of folders of Python tests; empty means all.
FOLDERS: list[str] = []


def run_python(build: Path, reports: Path) -> list[Result]:
    os.environ["LLMC_BUILD"] = str(build)
    folders = sorted({p.parent for p in (ROOT / "test").rglob("test_*.py") if not FOLDERS or p.parent.name in FOLDERS})
    return [result for folder in folders for result in suites.python(folder, reports / f"python-{folder.name}.json")]


def run_e2e(build: Path, reports: Path) -> list[Result]:
    from EndToEnd import run as end_to_end
    return end_to_end.run(build / "bin/llmc", reports / "e2e")


def run_conformance(build: Path, reports: Path) -> list[Result]:
    """A slice of the ONNX node suite; with --full, all of it."""
    from EndToEnd import conformance
    return conformance.run(build / "bin/llmc", slice_only="LLMC_FULL" not in os.environ)


SUITES = {"lit": run_lit, "unit": run_unit, "python": run_python, "e2e": run_e2e, "conformance": run_conformance}


def set_sanitizers(build: Path) -> None:
    """What programs built with sanitizers need to know. The libraries of MLIR
    and LLVM are not built so: they neither mark their containers nor the memory
    of their allocators, which our code, using the same, would."""
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    if re.search(r"^LLMC_SANITIZE:\w+=.*address", cache, re.M):
        os.environ["LLMC_SANITIZED"] = "1"
        os.environ["ASAN_OPTIONS"] = ("detect_container_overflow=0:allow_user_poisoning=0:"
                                      "max_allocation_size_mb=6144:allocator_may_return_null=1")
        os.environ["UBSAN_OPTIONS"] = "print_stacktrace=1"


def show(results: list[Result]) -> None:
    for result in results:
        if result.status == FAILED:
            print(f"\nFAILED {result.suite}: {result.name}\n{result.detail}")
    reasons = Counter((r.suite, r.detail.splitlines()[0] if r.detail else "") for r in results if r.status == SKIPPED)
    for (suite, reason), count in reasons.items():
        print(f"skipped {count} of {suite}: {reason}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs every suite on a finished build and sums them up.")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build folder")
    parser.add_argument("--full", action="store_true", help="the long tests too")
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this one; may be repeated")
    parser.add_argument("--skip", action="append", choices=SUITES, default=[], help="all but this one; may be repeated")
    parser.add_argument("--folder", action="append", default=[], help="of the Python tests only those of this folder; may be repeated")
    options = parser.parse_args()
    FOLDERS.extend(options.folder)
    if options.full:
        os.environ["LLMC_FULL"] = "1"
    build = options.build.resolve()
    set_sanitizers(build)
    reports = build / "test-results"
    reports.mkdir(parents=True, exist_ok=True)

    results: list[Result] = []
    for name in options.suite or SUITES:
        if name in options.skip:
            continue
        start = time.monotonic()
        found = SUITES[name](build, reports)
        print(f"{name}: {closing_line(found)} in {time.monotonic() - start:.0f} s", flush=True)
        results += found
    show(results)
    slowest = sorted(results, key=lambda r: -r.seconds)[:5]
    print("\nslowest: " + ", ".join(f"{r.name.rsplit('/', 1)[-1]} {r.seconds:.0f} s" for r in slowest))
    print(closing_line(results))
    return int(any(r.status == FAILED for r in results) or not any(r.status == PASSED for r in results))


if __name__ == "__main__":
    sys.exit(main())
