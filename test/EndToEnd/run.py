# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""End to end: compiles whole models and compares what they say.

A case is named MODEL/FORM:CHECK. The checks of a language model are
  compile  the bundle is made; a refusal is clean and leaves nothing behind
  greedy   the recorded ids, from ids
  lm       the recorded logits of the first step, by the entry `lm`
  logits   the same by the ONNX signature, the entry `main`
  threads  the same bits with one thread and with two
  batch    two rows, one of them padded, and then one step with a cache, as
           ONNX Runtime computes them
  lengths  the same of a GenAI form, whose rows are padded at their end
  recipes  compressed, the logits stay near the recorded ones, have the same bits
           with one thread and with two, and those of a step after a cache are
           those of the whole prompt
  caches   with keys and values in fewer bits, a token after a cache gets the bits
           it has in a prompt, with one thread and with two, the logits stay near
           those with keys and values in f32, and the states have the bytes that
           the manifest tells
  baseline the recorded ids again, from code for every x86-64 with AVX2
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from EndToEnd import int4, smollm2
from EndToEnd.llmc import CommandFailed, Llmc, distance, entries, layouts, step_inputs
from EndToEnd.session import Session
from harness.results import FAILED, PASSED, SKIPPED, Result, apply_expected, closing_line, read_expected

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "test/models"
SHARED = ROOT.parent / "shared/models"
TOLERANCE = 1e-4  # of max|Δ| / max|logit|
# The largest max|Δ| / max|logit| that a recipe may cost a tiny model with random
# weights, which bear rounding worse than trained ones: about twice what it does.
RECIPES = {"bf16": 0.03, "w8": 0.15, "w4": 1.5, ROOT / "test/EndToEnd/transforms.yaml": 0.2}
# What matrices come in, in forms that are quantized already, and what keeping
# them costs beside f32 products of the same numbers: inputs are rounded to 8 bits.
KEPT = {"genai_int4": {"i4g32.f32"}, "blocks": {"u4g32", "i8g32"}}
KEEP = 0.1
# The same for keys and values in other formats than f32, against f32.
CACHES = {"bf16": 0.1, "i8": 0.12}
STORIES = ["optimum", "dynamo", "dynamo23", "genai_fp32"]
ORT_BATCH = ["optimum", "dynamo", "onnx"]  # ONNX Runtime refuses the others' rotary tables or heads


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


class Oracle:
    """ONNX Runtime on the same model: inputs by name to outputs by name."""

    def __init__(self, model: Path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(model / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]

    def __call__(self, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self.names, self.session.run(None, feed)))


class LanguageModel:
    """The checks of one form of one causal language model."""

    def __init__(self, llmc: Llmc, model: Path, bundle: Path, cases: list[dict]):
        self.llmc, self.model, self.bundle, self.cases = llmc, model, bundle, cases

    def greedy(self) -> None:
        for case in self.cases:
            got = self.llmc.greedy(self.bundle, case["input_ids"], len(case["greedy"]))
            same_ids(got, case["greedy"], case["input_ids"])

    def main(self) -> Path:
        """A bundle with the entry `main`; llmc leaves it out where it makes `lm`, unless asked."""
        if "main" in entries(self.bundle):
            return self.bundle
        bundle = self.bundle.with_name(f"{self.bundle.name}-main")
        if not bundle.exists():
            self.llmc.compile(self.model, bundle, "--entry", "main")
        return bundle

    def signature(self) -> list[dict]:
        return entries(self.main())["main"]["inputs"]

    def lm(self) -> None:
        for case in (c for c in self.cases if "logits" in c):
            got = self.llmc.run(self.bundle, {"ids": np.array(case["input_ids"])}, "--entry", "lm", "--dim", "n_logits=1")
            close(logits_of(got)[-1], np.array(case["logits"]), f"prompt of {len(case['input_ids'])}")

    def head_size(self) -> int:
        config = self.model / "genai_config.json"
        return json.loads(config.read_text())["model"]["decoder"]["head_size"] if config.is_file() else 0

    def whole(self, ids: list[int], *options) -> np.ndarray:
        """Logits [1, n, vocabulary] of a prompt, by the ONNX signature."""
        rows = np.array([ids])
        feed = step_inputs(self.signature(), rows, np.ones_like(rows), {}, self.head_size())
        return logits_of(self.llmc.run(self.main(), feed, *options))

    def logits(self) -> None:
        for case in self.cases:
            if "logits" in case:
                close(self.whole(case["input_ids"])[0, -1], np.array(case["logits"]), f"prompt of {len(case['input_ids'])}")

    def threads(self) -> None:
        ids = max((case["input_ids"] for case in self.cases), key=len)
        one, two = (self.whole(ids, "--threads", n) for n in (1, 2))
        check(one.tobytes() == two.tobytes(), "expected the same logits with one thread and with two")

    def batch(self) -> None:
        oracle, signature = Oracle(self.model), self.signature()
        masked = any(i["name"] == "attention_mask" for i in signature)
        ids = np.array([[0, 0, 5, 9, 200, 31], [7, 3, 3, 44, 8, 90]])
        mask = np.ones_like(ids)
        mask[0, :2] = not masked
        rows = mask.astype(bool)
        feed = step_inputs(signature, ids, mask, {})
        want = oracle(feed)
        close(logits_of(self.llmc.run(self.main(), feed))[rows], logits_of(want)[rows], "batch of two")
        past = {name.replace("present", "past_key_values"): v for name, v in want.items() if name.startswith("present")}
        if not past:
            return
        feed = step_inputs(signature, np.array([[12], [60]]), np.concatenate([mask, [[1], [1]]], 1), past)
        want, got = oracle(feed), self.llmc.run(self.main(), feed)
        close(logits_of(got), logits_of(want), "a step after a cache")
        for name in (n for n in want if n.startswith("present")):
            close(got[name][1], want[name][1], name)

    def lengths(self) -> None:
        oracle, signature = Oracle(self.model), self.signature()
        ids, mask = np.array([[5, 9, 200, 31, 0, 0], [7, 3, 3, 44, 8, 90]]), np.ones((2, 6), np.int64)
        mask[0, 4:] = 0
        past: dict[str, np.ndarray] = {}
        for _ in range(3):
            feed = step_inputs(signature, ids, mask, past, self.head_size())
            want, got = oracle(feed), self.llmc.run(self.main(), feed)
            rows = mask[:, -ids.shape[1]:].astype(bool)
            close(logits_of(got)[rows], logits_of(want)[rows], f"{mask.shape[1]} keys")
            presents = {name: value for name, value in want.items() if name.startswith("present")}
            for row, count in enumerate(mask.sum(1)):
                for name, value in presents.items():
                    close(got[name][row, :, :count], value[row, :, :count], f"{name} of row {row}")
            past = {name.replace("present", "past_key_values"): value for name, value in presents.items()}
            ids, mask = np.array([[12], [60]]), np.concatenate([mask, [[1], [1]]], 1)

    def recipes(self) -> None:
        case = max((case for case in self.cases if "logits" in case), key=lambda case: len(case["input_ids"]))
        ids = np.array(case["input_ids"])
        for recipe, bound in ({"keep": KEEP} if self.model.name in KEPT else RECIPES).items():
            bundle = self.bundle.with_name(f"{self.bundle.name}-main")
            shutil.rmtree(bundle, ignore_errors=True)
            self.llmc.compile(self.model, bundle, "--recipe", recipe, "--entry", "lm")
            every = {n: logits_of(self.llmc.run(bundle, {"ids": ids}, "--entry", "lm", "--dim", f"n_logits={len(ids)}", "--threads", n))
                     for n in (1, 2)}
            check(every[1].tobytes() == every[2].tobytes(), f"{recipe}: expected the same logits with one thread and with two")
            error = distance(every[1][-1], np.array(case["logits"]))
            check(0 < error <= bound, f"{recipe}: expected an error above 0 and of at most {bound} but got {error:.3g}")
            for count in (1, len(ids) // 2):
                some = logits_of(self.llmc.run(bundle, {"ids": ids[:count]}, "--entry", "lm", "--dim", "n_logits=1"))
                check(some.tobytes() == every[1][count - 1].tobytes(), f"{recipe}: expected the row of token {count} whatever follows")
            if recipe == "keep":
                formats = {layout.split()[0] for name, layout in layouts(bundle).items() if "_proj" in name or "embed" in name or "head" in name}
                check(formats == KEPT[self.model.name], f"expected formats {KEPT[self.model.name]} but got {formats}")

    def caches(self) -> None:
        known = max((case["input_ids"] for case in self.cases), key=len)
        ids = (known * 100)[:100]
        recipe = ["--recipe", "keep"] if self.model.name in KEPT else []
        plain = self.bundle
        if recipe:
            plain = self.bundle.with_name(f"{self.bundle.name}-baseline")
            self.llmc.compile(self.model, plain, "--entry", "lm", *recipe)
        want, full = self.rows(plain, ids)
        for kv, bound in CACHES.items():
            bundle = self.bundle.with_name(f"{self.bundle.name}-main")
            shutil.rmtree(bundle, ignore_errors=True)
            self.llmc.compile(self.model, bundle, "--entry", "lm", "--kv", kv, *recipe)
            got, stored = self.rows(bundle, ids)
            error = distance(got, want)
            check(0 < error <= bound, f"{kv}: expected an error above 0 and of at most {bound} but got {error:.3g}")
            share = {state["shape"][2] * {"bf16": 2, "i8": 1}[kv] / (4 * old["shape"][2])
                     for state, old in zip(entries(bundle)["lm"]["states"], entries(plain)["lm"]["states"])}
            check({stored / full} == share, f"{kv}: expected {share} of {full} bytes of states but got {stored}")

    def rows(self, bundle: Path, ids: list[int]) -> tuple[np.ndarray, int]:
        """Logits of all of `ids`, which must not depend on threads or pieces, and the bytes of the states."""
        every, half = {}, len(ids) // 2
        for threads in (1, 2):
            session = Session(self.llmc.tool, bundle, threads)
            every[threads] = session(ids)
            session.truncate(half)
            steps = np.concatenate([session([token]) for token in ids[half:]])
            session.truncate(1)
            pieces = np.concatenate([session(ids[1:4]), session(ids[4:])])
            check(steps.tobytes() == every[threads][half:].tobytes(), f"{bundle.name}: expected the same logits token by token")
            check(pieces.tobytes() == every[threads][1:].tobytes(), f"{bundle.name}: expected the same logits in pieces")
            stored = session.state_bytes()
            session.close()
        check(every[1].tobytes() == every[2].tobytes(), f"{bundle.name}: expected the same logits with one thread and with two")
        return every[1], stored

    def baseline(self) -> None:
        bundle = self.bundle.with_name(f"{self.bundle.name}-baseline")
        self.llmc.compile(self.model, bundle, "--target", "x86-64-v3", "--entry", "lm")
        for case in self.cases:
            got = self.llmc.greedy(bundle, case["input_ids"], len(case["greedy"]))
            same_ids(got, case["greedy"], case["input_ids"])

    def checks(self) -> list[str]:
        names = ["greedy"]
        if self.model.name == "blocks":  # the same bytes as its plain form, in f32
            return ["greedy", "lm", "recipes"]
        if any("logits" in case for case in self.cases):
            names += ["lm", "logits", "threads"] + ["recipes", "caches"] * (self.model.name in ["optimum", *KEPT])
        if self.model.name in ORT_BATCH:
            names.append("batch")
        if self.model.name == "genai_fp32" and self.head_size() % 16 == 0:
            names.append("lengths")  # ONNX Runtime refuses other heads
        if self.model.name == "optimum":
            names.append("baseline")
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
        main = entries(self.bundle)["main"]
        for case in self.cases:
            feed = {i["name"]: np.array(case[i["name"]], np.int64) for i in main["inputs"]}
            got = self.llmc.run(self.bundle, feed)
            for output, want in zip(main["outputs"], case["outputs"]):
                close(got[output["name"]], np.reshape(want["data"], want["shape"]), output["name"])

    def checks(self) -> list[str]:
        return ["outputs"]


@dataclass(frozen=True)
class Form:
    name: str  # MODEL/FORM
    model: Path  # the folder to compile
    cases: Callable[[], list[dict]]  # recorded or computed; may make the folder
    missing: str = ""  # why it cannot be examined here


def recorded(golden: Path) -> list[dict]:
    """The cases of a golden file: those with float activations where others round them to 8 bits."""
    data = json.loads(golden.read_text())
    return data.get("accuracy_level_1", data)["cases"]


def forms(work: Path) -> list[Form]:
    found = []
    for golden in sorted(TINY.glob("*/*/golden.json")):
        if (golden.parent / "model.onnx").is_file():
            name = f"{golden.parent.parent.name}/{golden.parent.name}"
            found.append(Form(name, golden.parent, lambda golden=golden: recorded(golden)))

    def stories() -> list[dict]:
        ids = json.loads((SHARED / "stories260K/golden_greedy.json").read_text())["ids"]
        return [{"input_ids": ids[:1], "greedy": ids[1:]}]

    missing = "" if SHARED.is_dir() else "no shared/models beside this tree"
    found += [Form(f"stories260K/{form}", SHARED / "exports" / form, stories, missing) for form in STORIES]
    found.append(Form("stories260K/genai_int4", SHARED / "exports/genai_int4", lambda: int4.cases(
        SHARED / "exports/genai_int4", SHARED / "exports/optimum", work / "stories260K-int4", Oracle), missing))
    missing = "" if smollm2.MODEL.is_file() else "SmolLM2 has not been fetched"
    plain = work / "smollm2/onnx"
    found.append(Form("smollm2/onnx", plain, lambda: smollm2.cases(plain, Oracle), missing))
    found.append(Form("smollm2/blocks", work / "smollm2/blocks", lambda: smollm2.block_cases(plain, Oracle), missing))
    return found


def examine(llmc: Llmc, form: Form, work: Path) -> list[Result]:
    """All results of one form: compile, and the other checks if that succeeds."""
    if form.missing:
        return [Result("e2e", f"{form.name}:(all)", SKIPPED, form.missing)]
    results: list[Result] = []

    def attempt(label: str, action) -> bool:
        start, status, detail = time.monotonic(), PASSED, ""
        try:
            action()
        except Exception as error:  # whatever it is, it is a result of this case
            status, detail = FAILED, f"{error}" if isinstance(error, (CommandFailed, AssertionError)) else repr(error)
            if isinstance(error, CommandFailed) and not error.clean:
                label += " (crash)"  # not a name that can be expected
        results.append(Result("e2e", f"{form.name}:{label}", status, detail, time.monotonic() - start))
        return status == PASSED

    cases: list[dict] = []
    if not attempt("prepare", lambda: cases.extend(form.cases())):
        return results
    results.clear()  # only a failure to prepare is worth a line
    bundle = work / form.name.replace("/", "-")
    for folder in [bundle, *(bundle.with_name(f"{bundle.name}-{more}") for more in ("main", "baseline"))]:
        shutil.rmtree(folder, ignore_errors=True)
    subject = (Encoder if "outputs" in cases[0] else LanguageModel)(llmc, form.model, bundle, cases)
    if not attempt("compile", lambda: llmc.compile(form.model, bundle)):
        if bundle.exists():
            results.append(Result("e2e", f"{form.name}:compile (leftover)", FAILED, f"a failed compile left {bundle.name} behind"))
        return results
    for label in subject.checks():
        attempt(label, getattr(subject, label))
    for folder in [bundle, *(bundle.with_name(f"{bundle.name}-{more}") for more in ("main", "baseline"))]:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def run(tool: Path, work: Path, patterns: tuple[str, ...] = ("*",)) -> list[Result]:
    expected = read_expected(Path(__file__).with_name("expected_failures.txt"))
    if not tool.is_file():
        missing = Result("e2e", "(llmc)", FAILED, f"expected a program {tool} but found none")
        return apply_expected([missing], expected, set(expected))
    work.mkdir(parents=True, exist_ok=True)
    llmc, every = Llmc(tool), forms(work)
    chosen = [form for form in every if any(fnmatch.fnmatch(form.name, p) for p in patterns)]
    with ThreadPoolExecutor(2) as pool:
        results = [r for part in pool.map(lambda form: examine(llmc, form, work), chosen) for r in part]
    left_out = {form.name for form in every if form not in chosen or form.missing}
    return apply_expected(results, expected, {case for case in expected if case.partition(":")[0] in left_out})


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
