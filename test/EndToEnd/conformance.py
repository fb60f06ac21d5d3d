# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the node cases of the ONNX backend suite through llmc.

    scripts/conformance [--llmc PROGRAM] [--slice] [--update] [PATTERN...]

A case is one model of a node (or the expansion of one into smaller nodes) with
inputs and outputs, as the package `onnx` brings them. Left out are those in which
a tensor at the boundary is neither f32, i32, i64 nor bool, and those with
sequences or optionals there. Each is compiled and run by forks of one warm process
(llmc-warm, beside llmc), under a time limit, and compared as ONNX's own runner
does. The suite passes axes, sizes and bounds as inputs; a case that is refused is
tried once more with its scalars and integer vectors as initializers ("constant" in
the table).

Prints a table per operator. conformance_expected.txt lists the cases that do not
pass, as `CASE: REASON`; it is strict both ways. --slice takes the first of every
twenty cases of each operator, in the order of names; --update rewrites the list.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "test"))
from harness.results import FAILED, PASSED, SKIPPED, Result, apply_expected, closing_line, read_expected  # noqa: E402

CASES = Path(onnx.__file__).parent / "backend/test/data/node"
EXPECTED = Path(__file__).parent / "conformance_expected.txt"
DTYPES = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}
RTOL, ATOL = 1e-3, 1e-5
COMPILE_SECONDS, RUN_SECONDS = 120, 30
SLICE = 20
KINDS = ["pass", "constant", "wrong", "unsupported", "crash"]
GOOD = {"pass", "constant"}


@dataclass(frozen=True)
class Case:
    name: str
    operator: str  # of the first node
    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def model(self) -> Path:
        return CASES / self.name / "model.onnx"


@dataclass(frozen=True)
class Outcome:
    kind: str  # one of KINDS
    reason: str = ""
    seconds: float = 0.0


def read_tensors(folder: Path, kind: str, values) -> dict[str, np.ndarray] | None:
    """The arrays of a boundary; None where the case is left out."""
    tensors = {}
    for i, value in enumerate(values):
        file = folder / f"{kind}_{i}.pb"
        if value.type.WhichOneof("value") != "tensor_type" or not file.exists():
            return None
        proto = onnx.TensorProto.FromString(file.read_bytes())
        if proto.data_type not in DTYPES:
            return None
        tensors[value.name] = numpy_helper.to_array(proto)
    return tensors


def read_case(name: str) -> Case | None:
    """One case with its first data set; None where it is left out."""
    graph = onnx.load(CASES / name / "model.onnx").graph
    folder = CASES / name / "test_data_set_0"
    inputs = read_tensors(folder, "input", graph.input)
    outputs = read_tensors(folder, "output", graph.output)
    if inputs is None or outputs is None:
        return None
    operator = "(expanded)" if "_expanded" in name else graph.node[0].op_type
    return Case(name, operator, inputs, outputs)


def read_cases(patterns: list[str], slice_only: bool) -> tuple[list[Case], set[str]]:
    """The cases to run, and the names of all cases."""
    names = sorted(path.parent.name for path in CASES.glob("*/model.onnx"))
    cases = [case for case in map(read_case, names) if case is not None]
    known = {case.name for case in cases}
    if slice_only:
        seen: Counter = Counter()
        taken = []
        for case in cases:
            if seen[case.operator] % SLICE == 0:
                taken.append(case)
            seen[case.operator] += 1
        cases = taken
    if patterns:
        cases = [c for c in cases if any(fnmatch.fnmatch(c.name, p) for p in patterns)]
    return cases, known


def first_error(text: str) -> str:
    """The line that says why, without the paths of this machine."""
    lines = [line for line in text.splitlines() if line.strip()]
    line = next((l for l in lines if "error" in l or "expected" in l), lines[0] if lines else "no message")
    line = re.sub(r"\S*/(?=[^/\s]+\.onnx)", "", re.sub(r"\x1b\[[0-9;]*m", "", line)).strip()
    return re.sub(r"^.*?error: ", "", line)[:200]


def compare(got: np.ndarray, want: np.ndarray) -> str:
    """Empty, or how the two differ."""
    if got.shape != want.shape:
        return f"expected shape {list(want.shape)} but got {list(got.shape)}"
    if got.dtype != want.dtype:
        return f"expected {want.dtype} but got {got.dtype}"
    if want.dtype != np.float32:
        wrong = int(np.count_nonzero(got != want))
        return f"{wrong} of {want.size} elements differ" if wrong else ""
    close = np.isclose(got, want, rtol=RTOL, atol=ATOL, equal_nan=True)
    if close.all():
        return ""
    with np.errstate(all="ignore"):
        worst = np.nanmax(np.abs(got - want)[~close], initial=0)
    return f"{int((~close).sum())} of {want.size} elements differ, by up to {worst:.3g}"


def with_constants(case: Case, path: Path) -> bool:
    """Writes the model with its scalars and its vectors that are not f32 as
    initializers; false where it has none."""
    model = onnx.load(case.model)
    moved = [v for v in model.graph.input
             if case.inputs[v.name].ndim == 0 or case.inputs[v.name].ndim == 1 and case.inputs[v.name].dtype != np.float32]
    for value in moved:
        model.graph.input.remove(value)
        model.graph.initializer.append(numpy_helper.from_array(case.inputs[value.name], value.name))
    onnx.save(model, path)
    return bool(moved)


class TimeUp(Exception):
    pass


class Warm:
    """One process that runs commands of llmc in forks; see warm.cpp. Commands
    that take longer than they may are ended, and raise TimeUp."""

    def __init__(self, program: Path):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, seconds: int, log: Path, *arguments) -> tuple[int, str]:
        """The exit code (negative: a signal) and what the command printed."""
        fields = [str(seconds), str(log), *map(str, arguments)]
        if any("\t" in field or "\n" in field for field in fields):
            raise ValueError(f"expected arguments without tabs and line ends but got {fields}")
        self.process.stdin.write("\t".join(fields) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise OSError("the warm process is gone")
        if int(answer) == -signal.SIGALRM:
            raise TimeUp(f"'llmc {arguments[0]}' takes longer than {seconds} s")
        return int(answer), log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compile_case(llmc: Warm, model: Path, bundle: Path) -> tuple[str, str] | None:
    """Nothing where it works, else the kind and the reason."""
    log = bundle.with_suffix(".log")
    code, text = llmc(COMPILE_SECONDS, log, "compile", model, "-o", bundle, "--quiet", "--entry", "main")
    if code == 0:
        return None
    reason = first_error(text)
    return ("unsupported", reason) if code == 1 else ("crash", f"compile exits with {code}: {reason}")


def check_case(llmc: Warm, case: Case, work: Path) -> tuple[str, str]:
    """The kind and the reason of an outcome."""
    bundle, form = work / "bundle", "pass"
    problem = compile_case(llmc, case.model, bundle)
    if problem and problem[0] != "crash" and with_constants(case, work / "model.onnx"):
        form = "constant"
        problem = compile_case(llmc, work / "model.onnx", bundle)
    if problem:
        return problem
    entries = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["entries"]
    signature = next(e for e in entries if e["name"] == "main")
    command = ["run", bundle, "--entry", "main", "--output-dir", work / "out"]
    for i, entry in enumerate(signature["inputs"]):
        if entry["name"] not in case.inputs:
            return "wrong", f"the bundle has an input '{entry['name']}' that the model does not have"
        path = work / f"in{i}.npy"
        np.save(path, case.inputs[entry["name"]])
        command += ["--input", f"{entry['name']}={path}"]
    code, text = llmc(RUN_SECONDS, work / "run.log", *command)
    if code != 0:
        return "crash" if code < 0 else "wrong", f"run exits with {code}: {first_error(text)}"
    for entry, (name, want) in zip(signature["outputs"], case.outputs.items(), strict=True):
        reason = compare(np.load(work / "out" / f"{entry['name']}.npy"), want)
        if reason:
            return "wrong", f"output '{name}': {reason}"
    return form, ""


def run_case(llmc: Warm, case: Case, folder: Path) -> Outcome:
    work = folder / case.name
    work.mkdir()
    start = time.monotonic()
    try:
        kind, reason = check_case(llmc, case, work)
    except TimeUp as error:
        kind, reason = "crash", str(error)
    except (OSError, ValueError, KeyError, StopIteration) as error:
        kind, reason = "crash", f"{type(error).__name__}: {error}".replace(str(work), "")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Outcome(kind, reason, time.monotonic() - start)


def run_cases(llmc: Path, cases: list[Case], jobs: int) -> dict[str, Outcome]:
    """Each job has its own warm process, which lies beside `llmc`."""
    pool: queue.SimpleQueue[Warm] = queue.SimpleQueue()
    warm = [Warm(llmc.with_name("llmc-warm")) for _ in range(jobs)]
    for process in warm:
        pool.put(process)

    def work(case: Case) -> Outcome:
        process = pool.get()
        try:
            return run_case(process, case, Path(folder))
        finally:
            pool.put(process)

    try:
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as threads:
            return {case.name: result for case, result in zip(cases, threads.map(work, cases))}
    finally:
        for process in warm:
            process.close()


def judge(outcome: dict[str, Outcome], known: set[str]) -> list[Result]:
    """Results against the strict list. What is listed as unsupported and still
    refused counts as skipped; a wrong result or a crash is a failure unless it
    is listed as just that."""
    expected = read_expected(EXPECTED)
    results = []
    for name, o in outcome.items():
        refused = o.kind == "unsupported" and expected.get(name, "").startswith("unsupported")
        status = PASSED if o.kind in GOOD else SKIPPED if refused else FAILED
        detail = "refused, as conformance_expected.txt says" if refused else f"{o.kind}: {o.reason}"
        results.append(Result("conformance", name, status, detail, o.seconds))
        if status == FAILED and not expected.get(name, "").startswith(o.kind):
            expected.pop(name, None)
    return apply_expected(results, expected, known)


def run(llmc: Path, slice_only: bool) -> list[Result]:
    """For test/run_all.py."""
    cases, known = read_cases([], slice_only)
    return judge(run_cases(llmc.resolve(), cases, os.cpu_count() or 1), known)


def print_table(cases: list[Case], outcome: dict[str, Outcome]) -> None:
    table: dict[str, Counter] = defaultdict(Counter)
    for case in cases:
        table[case.operator][outcome[case.name].kind] += 1
    print(f"{'operator':28}" + "".join(f"{kind:>13}" for kind in KINDS))
    table = dict(sorted(table.items())) | {"all": sum(table.values(), Counter())}
    for operator, counts in table.items():
        print(f"{operator:28}" + "".join(f"{counts[kind] or '':>13}" for kind in KINDS))


def write_expected(outcome: dict[str, Outcome]) -> None:
    lines = ["# Cases of the ONNX node suite that do not pass, and why. Written by",
             "# `scripts/conformance --update`; a case that passes must not be here."]
    lines += [f"{name}: {o.kind}: {o.reason}" for name, o in sorted(outcome.items()) if o.kind not in GOOD]
    EXPECTED.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description="The ONNX node cases through llmc.")
    parser.add_argument("--llmc", type=Path, default=ROOT / "build/bin/llmc", help="the program to test")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at a time")
    parser.add_argument("--slice", action="store_true", help=f"the first of every {SLICE} cases of an operator")
    parser.add_argument("--update", action="store_true", help="rewrite the list of cases that do not pass")
    parser.add_argument("patterns", nargs="*", help="names of cases, with * and ?")
    options = parser.parse_args()
    if options.update and (options.slice or options.patterns):
        parser.error("--update needs all cases")
    cases, known = read_cases(options.patterns, options.slice)
    outcome = run_cases(options.llmc.resolve(), cases, options.jobs)
    print_table(cases, outcome)
    if options.update:
        write_expected(outcome)
        return 0
    results = judge(outcome, known)
    for result in results:
        if result.status == FAILED:
            print(f"{result.name}: {result.detail}")
    print(closing_line(results))
    return int(any(result.status == FAILED for result in results))


if __name__ == "__main__":
    sys.exit(main())
