# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs the node cases of the ONNX backend suite through llmc.

    scripts/conformance [--llmc PROGRAM] [--slice] [--update] [PATTERN...]

A case is one model of a node (or the expansion of one into smaller nodes) with
inputs and outputs, as the package `onnx` brings them. Left out are those in which
a tensor at the boundary is neither f32, i32, i64 nor bool, and those with
sequences or optionals there. Each is compiled and run by the program, under a
time limit, and compared as ONNX's own runner does. The suite passes axes, sizes
and bounds as inputs; where the compiler wants those constant the case is tried
once more with its scalars and integer vectors as initializers ("constant" in the
table).

Prints a table per operator. conformance_expected.txt lists the cases that do not
pass, as `CASE: REASON`; it is strict both ways. --slice takes every eleventh case
in the order of names; --update rewrites the list.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
import os
import re
import shutil
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
from harness.results import FAILED, PASSED, Result, apply_expected, closing_line, read_expected  # noqa: E402

CASES = Path(onnx.__file__).parent / "backend/test/data/node"
EXPECTED = Path(__file__).parent / "conformance_expected.txt"
DTYPES = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}
RTOL, ATOL = 1e-3, 1e-5
COMPILE_SECONDS, RUN_SECONDS = 120, 30
SLICE = 11
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
        cases = cases[::SLICE]
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


def compile_case(llmc: Path, model: Path, bundle: Path) -> tuple[str, str] | None:
    """Nothing where it works, else the kind and the reason."""
    command = [llmc, "compile", model, "-o", bundle, "--quiet", "--entry", "main"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS)
    if done.returncode == 0:
        return None
    reason = first_error(done.stderr)
    return ("unsupported", reason) if done.returncode == 1 else ("crash", f"compile exits with {done.returncode}: {reason}")


def check_case(llmc: Path, case: Case, work: Path) -> tuple[str, str]:
    """The kind and the reason of an outcome."""
    bundle, form = work / "bundle", "pass"
    problem = compile_case(llmc, case.model, bundle)
    if problem and "expected constant" in problem[1] and with_constants(case, work / "model.onnx"):
        form = "constant"
        problem = compile_case(llmc, work / "model.onnx", bundle)
    if problem:
        return problem
    entries = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["entries"]
    signature = next(e for e in entries if e["name"] == "main")
    command = [llmc, "run", bundle, "--entry", "main", "--output-dir", work / "out"]
    for i, entry in enumerate(signature["inputs"]):
        if entry["name"] not in case.inputs:
            return "wrong", f"the bundle has an input '{entry['name']}' that the model does not have"
        path = work / f"in{i}.npy"
        np.save(path, case.inputs[entry["name"]])
        command += ["--input", f"{entry['name']}={path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    if done.returncode != 0:
        kind = "crash" if done.returncode < 0 else "wrong"
        return kind, f"run exits with {done.returncode}: {first_error(done.stderr)}"
    for entry, (name, want) in zip(signature["outputs"], case.outputs.items(), strict=True):
        reason = compare(np.load(work / "out" / f"{entry['name']}.npy"), want)
        if reason:
            return "wrong", f"output '{name}': {reason}"
    return form, ""


def run_case(llmc: Path, case: Case, folder: Path) -> Outcome:
    work = folder / case.name
    work.mkdir()
    start = time.monotonic()
    try:
        kind, reason = check_case(llmc, case, work)
    except subprocess.TimeoutExpired as error:
        kind, reason = "crash", f"'{Path(error.cmd[0]).name} {error.cmd[1]}' takes longer than {error.timeout:g} s"
    except (OSError, ValueError, KeyError, StopIteration) as error:
        kind, reason = "crash", f"{type(error).__name__}: {error}".replace(str(work), "")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Outcome(kind, reason, time.monotonic() - start)


def run_cases(llmc: Path, cases: list[Case], jobs: int) -> dict[str, Outcome]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda case: run_case(llmc, case, Path(folder)), cases))
    return {case.name: result for case, result in zip(cases, results)}


def judge(outcome: dict[str, Outcome], known: set[str]) -> list[Result]:
    """Results against the strict list."""
    results = [Result("conformance", name, PASSED if o.kind in GOOD else FAILED, f"{o.kind}: {o.reason}", o.seconds)
               for name, o in outcome.items()]
    return apply_expected(results, read_expected(EXPECTED), known)


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
    parser.add_argument("--slice", action="store_true", help=f"every {SLICE}th case")
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
