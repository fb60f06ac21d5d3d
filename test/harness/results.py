# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One result for every kind of test, the strict list of expected failures, and
the closing line that sums them up."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Result:
    suite: str
    name: str
    status: str  # PASSED, FAILED or SKIPPED
    detail: str = ""  # why it failed or was skipped
    seconds: float = 0.0


def closing_line(results: list[Result]) -> str:
    """`N passed, N failed`, and `, N skipped` where there are any."""
    count = {status: sum(r.status == status for r in results) for status in (PASSED, FAILED, SKIPPED)}
    line = f"{count[PASSED]} passed, {count[FAILED]} failed"
    return line + f", {count[SKIPPED]} skipped" if count[SKIPPED] else line


def read_expected(path: Path) -> dict[str, str]:
    """Case -> reason, from lines `CASE: REASON`; `#` begins a comment line."""
    expected = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        case, separator, reason = line.partition(": ")
        if not separator or not reason.strip() or case in expected:
            raise ValueError(f"{path.name}:{number}: expected a new 'CASE: REASON' but got '{line}'")
        expected[case] = reason.strip()
    return expected


def apply_expected(results: list[Result], expected: dict[str, str], known: set[str] | None = None) -> list[Result]:
    """Strict both ways: a listed case that passes is a failure, and so is one
    that does not exist. A listed failure counts as passed; `known` are the
    names of cases that this run left out."""
    changed, seen = [], set(known or ())
    for result in results:
        seen.add(result.name)
        reason = expected.get(result.name)
        if reason is not None and result.status == PASSED:
            detail = f"expected to fail ({reason}) but it passes: take it off the list"
            result = Result(result.suite, result.name, FAILED, detail, result.seconds)
        elif reason is not None and result.status == FAILED:
            result = Result(result.suite, result.name, PASSED, f"failed as expected ({reason})", result.seconds)
        changed.append(result)
    suite = results[0].suite if results else "expected failures"
    changed += [Result(suite, case, FAILED, "is on the list of expected failures but does not exist")
                for case in expected if case not in seen]
    return changed
