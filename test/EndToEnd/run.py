# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""End to end: compiles whole models and compares what they say.

A case is named MODEL/FORM:CHECK. The checks of a language model are
  compile  the bundle is made; a refusal is clean and leaves nothing behind
  greedy   the recorded ids, from ids
  logits   the recorded logits of the first step, by the ONNX signature
  threads  the same bits with one thread and with two
  batch    two rows, one of them padded, and then one step with a cache, as
           ONNX Runtime computes them
and of an encoder `compile` and `outputs`. Cases that are known to fail are in
expected_failures.txt, which is strict both ways.

    run.py LLMC [PATTERN...]      runs the cases whose MODEL/FORM matches
"""
from __future__ import annotations

import fnmatch
import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from EndToEnd.llmc import CommandFailed, Llmc, distance, main_inputs, step_inputs
from harness.results import FAILED, PASSED, SKIPPED, Result, apply_expected, closing_line, read_expected

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "test/models"
SHARED = ROOT.parent / "shared/models"
TOLERANCE = 1e-4  # of max|Δ| / max|logit|
STORIES = ["optimum", "dynamo", "dynamo23", "genai_fp32"]
ORT_FORMS = ["optimum", "dynamo", "dynamo23"]


def check(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def close(got: np.ndarray, want: np.ndarray, what: str) -> None:
    error = distance(got, want)
    check(error <= TOLERANCE, f"{what}: expected an error of at most {TOLERANCE} but got {error:.3g}")


def same_ids(got: list[int], want: list[int], prompt: list[int]) -> None:
    if got != want:
        at = next((i for i, pair in enumerate(zip(got, want)) if pair[0] != pair[1]), min(len(got), len(want)))
        raise AssertionError(f"prompt {prompt[:8]}…: expected {want} but got {got}; they part at {at}")


class LanguageModel:
    """The checks of one form of one causal language model."""

    def __init__(self, llmc: Llmc, model: Path, bundle: Path, cases: list[dict]):
        self.llmc, self.model, self.bundle, self.cases = llmc, model, bundle, cases

    def greedy(self) -> None:
        for case in self.cases:
            got = self.llmc.greedy(self.bundle, case["input_ids"], len(case["greedy"]))
            same_ids(got, case["greedy"], case["input_ids"])

    def whole(self, ids: list[int], *options) -> np.ndarray:
        """Logits [1, n, vocabulary] of a prompt, by the ONNX signature."""
        rows = np.array([ids])
        feed = step_inputs(main_inputs(self.bundle), rows, np.ones_like(rows), {})
        return logits_of(self.llmc.run(self.bundle, feed, *options))

    def logits(self) -> None:
        for case in self.cases:
            if "logits" in case:
                close(self.whole(case["input_ids"])[0, -1], np.array(case["logits"]), f"prompt of {len(case['input_ids'])}")

    def threads(self) -> None:
        ids = max((case["input_ids"] for case in self.cases), key=len)
        one, two = (self.whole(ids, "--threads", n) for n in (1, 2))
        check(one.tobytes() == two.tobytes(), "expected the same logits with one thread and with two")

    def batch(self) -> None:
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(self.model / "model.onnx"), options, providers=["CPUExecutionProvider"])
        names = [o.name for o in session.get_outputs()]
        signature = main_inputs(self.bundle)
        masked = any(i["name"] == "attention_mask" for i in signature)
        ids = np.array([[0, 0, 5, 9, 200 % 384, 31], [7, 3, 3, 44, 8, 90]])
        mask = np.ones_like(ids)
        if masked:
            mask[0, :2] = 0
        rows = mask.astype(bool)
        feed = step_inputs(signature, ids, mask, {})
        want = dict(zip(names, session.run(None, feed)))
        got = self.llmc.run(self.bundle, feed)
        close(logits_of(got)[rows], logits_of(want)[rows], "batch of two")
        past = {n.replace("present", "past_key_values"): v for n, v in want.items() if n.startswith("present")}
        if past and masked:
            feed = step_inputs(signature, np.array([[12], [60]]), np.concatenate([mask, [[1], [1]]], 1), past)
            want = dict(zip(names, session.run(None, feed)))
            got = self.llmc.run(self.bundle, feed)
            close(logits_of(got), logits_of(want), "a step after a cache")
            for name in past:
                name = name.replace("past_key_values", "present")
                close(got[name][1], want[name][1], name)

    def checks(self) -> list[str]:
        names = ["greedy"]
        if any("logits" in case for case in self.cases):
            names += ["logits", "threads"]
        if self.model.name in ORT_FORMS:
            names.append("batch")
        return names


def logits_of(outputs: dict[str, np.ndarray]) -> np.ndarray:
    """The one output that is neither a cache nor a hidden state."""
    found = [value for name, value in outputs.items() if not name.startswith("present")]
    check(len(found) == 1, f"expected one output beside the cache but got {sorted(outputs)}")
    return found[0]


class Encoder:
    """The check of one form of an encoder."""

    def __init__(self, llmc: Llmc, model: Path, bundle: Path, cases: list[dict]):
        self.llmc, self.model, self.bundle, self.cases = llmc, model, bundle, cases

    def outputs(self) -> None:
        manifest = json.loads((self.bundle / "manifest.json").read_text(encoding="utf-8"))
        main = next(entry for entry in manifest["entries"] if entry["name"] == "main")
        for case in self.cases:
            feed = {i["name"]: np.array(case[i["name"]], np.int64) for i in main["inputs"]}
            got = self.llmc.run(self.bundle, feed)
            for output, want in zip(main["outputs"], case["outputs"]):
                close(got[output["name"]], np.reshape(want["data"], want["shape"]), output["name"])

    def checks(self) -> list[str]:
        return ["outputs"]


def forms(work: Path) -> list[tuple[str, Path, list[dict]]]:
    """Name, model folder and recorded cases of every form."""
    found = []
    for golden in sorted(TINY.glob("*/*/golden.json")):
        if (golden.parent / "model.onnx").is_file():
            name = f"{golden.parent.parent.name}/{golden.parent.name}"
            found.append((name, golden.parent, json.loads(golden.read_text(encoding="utf-8"))["cases"]))
    stories = SHARED / "stories260K/golden_greedy.json"
    ids = json.loads(stories.read_text(encoding="utf-8"))["ids"] if stories.is_file() else []
    found += [(f"stories260K/{form}", SHARED / "exports" / form, [{"input_ids": ids[:1], "greedy": ids[1:]}]) for form in STORIES]
    return found


def examine(llmc: Llmc, name: str, model: Path, cases: list[dict], work: Path) -> list[Result]:
    """All results of one form: compile, and the other checks if that succeeds."""
    bundle = work / name.replace("/", "-")
    shutil.rmtree(bundle, ignore_errors=True)
    subject = (Encoder if "outputs" in cases[0] else LanguageModel)(llmc, model, bundle, cases)
    if not (model / "model.onnx").is_file():
        return [Result("e2e", f"{name}:{c}", SKIPPED, f"no {model.parent.name} beside this tree") for c in ["compile", *subject.checks()]]
    results = []

    def attempt(label: str, action) -> bool:
        start, status, detail = time.monotonic(), PASSED, ""
        try:
            action()
        except (CommandFailed, AssertionError, ValueError, KeyError, StopIteration, OSError) as error:
            status, detail = FAILED, f"{error}" if isinstance(error, (CommandFailed, AssertionError)) else repr(error)
            if isinstance(error, CommandFailed) and not error.clean:
                label += " (crash)"  # not a name that can be expected
        results.append(Result("e2e", f"{name}:{label}", status, detail, time.monotonic() - start))
        return status == PASSED

    if not attempt("compile", lambda: llmc.compile(model, bundle)):
        if bundle.exists():
            results.append(Result("e2e", f"{name}:compile (leftover)", FAILED, f"a failed compile left {bundle.name} behind"))
        return results
    for label in subject.checks():
        attempt(label, getattr(subject, label))
    shutil.rmtree(bundle, ignore_errors=True)
    return results


def run(tool: Path, work: Path, patterns: tuple[str, ...] = ("*",)) -> list[Result]:
    expected = read_expected(Path(__file__).with_name("expected_failures.txt"))
    if not tool.is_file():
        missing = Result("e2e", "(llmc)", FAILED, f"expected a program {tool} but found none")
        return apply_expected([missing], expected, set(expected))
    work.mkdir(parents=True, exist_ok=True)
    llmc, every = Llmc(tool), forms(work)
    chosen = [form for form in every if any(fnmatch.fnmatch(form[0], p) for p in patterns)]
    with ThreadPoolExecutor(2) as pool:
        results = [r for part in pool.map(lambda form: examine(llmc, *form, work), chosen) for r in part]
    left_out = {form[0] for form in every} - {form[0] for form in chosen}
    known = {case for case in expected if case.partition(":")[0] in left_out}
    return apply_expected(results, expected, known)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    results = run(Path(sys.argv[1]).resolve(), ROOT / "build/test-results/e2e", tuple(sys.argv[2:]) or ("*",))
    for result in results:
        print(f"{result.status:8}{result.name}  {result.seconds:.1f} s" + (f"\n{result.detail}" if result.status == FAILED else ""))
    print(closing_line(results))
    return int(any(result.status == FAILED for result in results))


if __name__ == "__main__":
    sys.exit(main())
