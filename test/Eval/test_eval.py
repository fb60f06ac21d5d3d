# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""llmc eval against NumPy in double: a toy model whose logits are a formula,
and small models whose logits come from ONNX Runtime."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

TEST = Path(__file__).resolve().parents[1]
ROOT = TEST.parent
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
SHARED = ROOT.parent / "shared/models"
MODELS = Path(os.environ.get("LLMC_MODELS") or ROOT / "models")
STORIES = MODELS / "stories15M.bin", MODELS / "stories15M.tokenizer.bin"
sys.path.insert(0, str(TEST))

from EndToEnd.llmc import Llmc
from EndToEnd.run import Oracle
from harness.splitmix import splitmix

BLOCK, RESAMPLES = 64, 1000


def windows(protocol: str, tokens: list[int], context: int, stride: int, bos: int | None):
    """What each window reads, and which of it is scored: (ids, first scored)."""
    if protocol == "llama.cpp":
        stream = tokens if bos is None else [bos, *tokens]
        for start in range(0, len(stream) - context + 1, context):
            ids = stream[start:start + context]
            if bos is not None:
                ids = [bos, *ids[1:]]
            yield ids, context // 2 + 1
        return
    room, covered = context - (bos is not None), 0
    for start in range(0, len(tokens), stride or room):
        ids = tokens[start:start + room]
        fresh = max(1 if bos is None else 0, covered - start)
        covered = start + len(ids)
        yield ([] if bos is None else [bos]) + ids, fresh + (bos is not None)
        if covered == len(tokens):
            return


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    top = x.max(-1, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(-1, keepdims=True))


def expected(model, reference, cuts, seed: int = 0) -> dict:
    """The figures of two models, functions from ids to logits [ids, vocabulary]."""
    loss, other, kl, agree, margin = [], [], [], [], []
    for ids, first in cuts:
        rows, targets = slice(first - 1, len(ids) - 1), ids[first:]
        mine, theirs = log_softmax(model(ids)[rows]), log_softmax(reference(ids)[rows])
        at = np.arange(len(targets)), np.array(targets)
        loss.append(-mine[at])
        other.append(-theirs[at])
        kl.append((np.exp(theirs) * (theirs - mine)).sum(-1))
        agree.append(mine.argmax(-1) == theirs.argmax(-1))
        best = np.sort(theirs, -1)
        margin.append(best[:, -1] - best[:, -2])
    loss, other, kl, agree, margin = map(np.concatenate, (loss, other, kl, agree, margin))

    def figures(index):
        return {"perplexity": np.exp(loss[index].mean()), "reference_perplexity": np.exp(other[index].mean()),
                "excess": np.expm1((loss - other)[index].mean()), "kl_mean": kl[index].mean(),
                "kl_p99_9": np.quantile(kl[index], 0.999), "same_top1": agree[index].mean()}

    found = {name: {"value": value} for name, value in figures(np.arange(len(loss))).items()}
    blocks = [np.arange(i, min(i + BLOCK, len(loss))) for i in range(0, len(loss), BLOCK)]
    if len(blocks) >= 10:
        random = splitmix(seed)
        drawn = [figures(np.concatenate([blocks[next(random) * len(blocks) >> 64] for _ in blocks])) for _ in range(RESAMPLES)]
        for name in found:
            found[name]["low"], found[name]["high"] = np.quantile([d[name] for d in drawn], [0.025, 0.975])
    near = margin < 0.1
    return {**found, "scored_tokens": len(loss), "kl_median": np.median(kl), "kl_max": kl.max(), "flips": (~agree).sum(),
            "near_ties": near.sum(), "near_tie_flips": (near & ~agree).sum()}


class EvalCase(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="llmc-eval-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.llmc = Llmc(BUILD / "bin/llmc")

    def eval(self, bundle: Path, *options) -> dict:
        return json.loads(self.llmc("eval", bundle, "--json", *options))

    def compare(self, got: dict, want: dict, tolerance: float) -> None:
        def near(name, a, b):
            self.assertLessEqual(abs(a - b), tolerance * max(abs(b), 1e-3), f"{name}: expected {b} but got {a}")

        for name, value in want.items():
            if isinstance(value, dict):
                self.assertEqual(got[name].keys(), value.keys(), name)
                for key in value:
                    near(f"{name} {key}", got[name][key], value[key])
            else:
                near(name, got[name], value)


class Toy(EvalCase):
    """The toy model of test/Unit/Runtime/toy_model.c, and others made of it."""

    def toy(self, name: str, slope: float) -> Path:
        bundle = self.folder / name
        subprocess.run([BUILD / "test/Unit/toy-bundle", bundle, str(slope)], check=True, capture_output=True)
        return bundle

    @staticmethod
    def formula(slope: float):
        def logits(ids):
            rows = np.tile(np.arange(32, dtype=np.float32) / 64, (len(ids), 1))
            for i, total in enumerate(np.cumsum(ids)):
                rows[i, (3 * total + 1) % 32] = np.float32(4) - np.float32(slope) * np.float32(total % 5)
            return rows

        return logits

    def ids(self, count: int) -> tuple[list[int], Path]:
        ids = np.random.default_rng(7).integers(0, 31, count)  # after 31 the toy model is slow
        path = self.folder / "ids.npy"
        np.save(path, ids)
        return ids.tolist(), path

    def test_every_figure(self):
        one, two = self.toy("one", 1.2), self.toy("two", 0.86)
        ids, path = self.ids(1500)
        for protocol, context, stride, bos in (("window", 16, 0, None), ("window", 13, 0, 1), ("window", 16, 3, 1),
                                               ("window", 2, 1, None), ("llama.cpp", 16, 0, 1), ("llama.cpp", 9, 0, None)):
            with self.subTest(protocol=protocol, context=context, stride=stride, bos=bos):
                options = ["--protocol", protocol, "--context", context, "--bos", "no" if bos is None else "yes", "--seed", 3]
                if stride:
                    options += ["--stride", stride]
                got = self.eval(one, "--ids-file", path, "--against", two, *options)
                cuts = list(windows(protocol, ids, context, stride, bos))
                want = expected(self.formula(1.2), self.formula(0.86), cuts, 3)
                self.compare(got, want, 1e-9)
                self.assertGreater(want["near_ties"], 0)
                self.assertGreater(want["flips"], want["near_tie_flips"])
                self.assertIn("low", want["kl_mean"])

    def test_threads_change_nothing(self):
        one, two = self.toy("one", 0.5), self.toy("two", 0.8)
        _, path = self.ids(700)
        found = []
        for threads in (1, 2, 3):
            got = self.eval(one, "--ids-file", path, "--against", two, "--threads", threads)
            self.assertEqual(got.pop("threads"), threads)
            del got["seconds"]
            found.append(got)
        self.assertEqual(found[0], found[1])
        self.assertEqual(found[0], found[2])

    def test_kinds_of_ids(self):
        one = self.toy("one", 0.5)
        ids, path = self.ids(100)
        want = self.eval(one, "--ids-file", path)["perplexity"]
        for kind in (np.int32, np.uint32, np.uint16):
            np.save(path, np.array(ids, kind))
            self.assertEqual(self.eval(one, "--ids-file", path)["perplexity"], want)
        self.assertEqual(self.eval(one, "--ids-file", path, "-n", 100)["perplexity"], want)
        shorter = self.eval(one, "--ids-file", path, "-n", 50)
        self.assertEqual((shorter["text_tokens"], shorter["scored_tokens"]), (50, 46))


class Whole(EvalCase):
    """A compiled model, its text side and ONNX Runtime's logits."""

    def oracle(self, model: Path):
        session = Oracle(model)
        empty = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32)
                 for i in session.session.get_inputs() if i.name.startswith("past")}
        names = {i.name for i in session.session.get_inputs()}

        def logits(ids):
            feed = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64),
                    "position_ids": np.arange(len(ids))[None], **empty}
            return session({name: feed[name] for name in names})["logits"][0]

        return logits

    def check(self, model: Path, text: Path, context: int, count: int) -> None:
        from tokenizers import Tokenizer

        bundle = self.folder / "bundle"
        self.llmc.compile(model, bundle, "-q")
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        ids = tokenizer.encode(text.read_text(encoding="utf-8"), add_special_tokens=False).ids[:count]
        self.assertEqual(len(ids), count)
        before = tokenizer.encode("", add_special_tokens=True).ids
        bos = before[0] if before else None
        logits = self.oracle(model)
        for protocol in ("window", "llama.cpp"):
            got = self.eval(bundle, "--text", text, "--against", bundle, "-n", count, "--context", context,
                            "--protocol", protocol)
            self.assertEqual(got["protocol"]["bos"], bos is not None)
            want = expected(logits, logits, windows(protocol, ids, context, 0, bos))
            for name in ("perplexity", "reference_perplexity"):
                self.compare({name: got[name]}, {name: want[name]}, 1e-3)
            self.assertEqual(got["scored_tokens"], want["scored_tokens"])
            # Exactly: a model is not far from itself.
            for name in ("excess", "kl_mean", "kl_p99_9"):
                self.assertEqual(set(got[name].values()), {0})
            self.assertEqual((got["kl_max"], got["flips"], got["same_top1"]["value"]), (0, 0, 1))

    def test_tiny(self):
        self.check(TEST / "models/llama/optimum", ROOT / "LICENSE", 48, 1000)

    @unittest.skipUnless(SHARED.is_dir(), "no shared/models beside this tree")
    def test_stories(self):
        model = self.folder / "model"
        shutil.copytree(SHARED / "exports/optimum", model, copy_function=shutil.copyfile)
        shutil.copyfile(SHARED / "exports/hf/tokenizer.json", model / "tokenizer.json")
        self.check(model, SHARED / "text/tinystories_valid_a.txt", 256, 4000)

    @unittest.skipUnless(all(f.is_file() for f in STORIES), "stories15M has not been fetched")
    @unittest.skipUnless(SHARED.is_dir(), "no shared/models beside this tree")
    def test_stories15M(self):
        model = self.folder / "model"
        command = [sys.executable, ROOT / "scripts/convert/llama2c_to_onnx.py", STORIES[0], "--tokenizer", STORIES[1], "-o", model]
        subprocess.run(command, check=True, capture_output=True)
        self.check(model, SHARED / "text/tinystories_valid_a.txt", 256, 4000)


if __name__ == "__main__":
    unittest.main()
