# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""report.json of a bundle: what every pass did to the weights, and what a calibration was for.

The bytes of the last pass are those of weights.safetensors, those of the first are those of the
ONNX file; which passes there are, `--print-pipeline` says."""
from __future__ import annotations

import json
import math
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

import onnx
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]
LLMC = Path(os.environ.get("LLMC_BUILD", ROOT / "build")) / "bin/llmc"
MODEL = ROOT / "test/models/llama/optimum"
TEXT = ROOT / "LICENSE"
# Steps that make code of what has its place in the file already.
CODE = ("lower", "place memory", "convert")


def parse_pipeline(text: str, anchor: str = "") -> list[tuple[str, str]]:
    """Passes with the op that they are nested under, in order."""
    passes, word, at = [], "", 0
    while at < len(text):
        c = text[at]
        if c in "({":
            depth, end = 1, at + 1
            while depth:
                depth += (text[end] in "({") - (text[end] in ")}")
                end += 1
            if c == "(":
                passes += parse_pipeline(text[at + 1:end - 1], "" if word == "builtin.module" else word)
                word = ""
            at = end
            continue
        if c == ",":
            if word:
                passes.append((anchor, word))
            word = ""
        else:
            word += c
        at += 1
    return passes + ([(anchor, word)] if word else [])


def read_tensors(path: Path) -> dict[str, int]:
    """Bytes of the tensors, without those that fill up."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    return {name: entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in header.items()
            if name != "__metadata__" and "padding" not in name}


def without_seconds(value):
    if isinstance(value, dict):
        return {key: without_seconds(entry) for key, entry in value.items() if "seconds" not in key}
    return [without_seconds(entry) for entry in value] if isinstance(value, list) else value


class Balance(HTMLParser):
    """Fails on an element that is not closed, or closed by another one."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag, tag


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="report"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def llmc(self, *arguments, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run(list(map(str, [LLMC, *arguments])), capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def compile(self, name: str, *arguments, model: Path = MODEL) -> tuple[dict, subprocess.CompletedProcess]:
        done = self.llmc("compile", model, "-o", self.folder / name, *arguments)
        return json.loads((self.folder / name / "report.json").read_text(encoding="utf-8")), done

    def test_every_pass_has_its_line(self):
        report, done = self.compile("w4", "--recipe", "w4", "--print-pipeline")
        printed = [(step, anchor, name) for step, text in re.findall(r"^([\w -]+): (builtin\.module\(.*)$", done.stdout, re.M)
                   if step not in CODE for anchor, name in parse_pipeline(text)]
        passes = report["passes"]
        self.assertEqual([(line["step"], line.get("anchor", ""), line["pass"]) for line in passes if "pass" in line], printed)
        names = [name for _, _, name in printed]
        self.assertEqual(names.count("llmc-simplify"), 2)
        for name in ("llmc-edit-weights", "llmc-tie-weights", "llmc-assign-methods", "llmc-scale-columns", "llmc-pack-weights"):
            self.assertIn(name, names)
        self.assertEqual([line["step"] for line in passes if "pass" not in line], ["import", "place weights", "lower to code"])
        # Each goes on from the one before.
        self.assertEqual(passes[0]["bytes_before"], 0)
        for before, line in zip(passes, passes[1:]):
            self.assertEqual(line["bytes_before"], before["bytes"], line)
        # And the terminal has those that changed bytes.
        table = done.stderr[done.stderr.index("\nafter "):].split("\n\n")[0].splitlines()[2:]
        shown = [line.split("  ")[0] for line in table]
        for line in passes:
            if line["bytes"] != line["bytes_before"]:
                self.assertIn(line.get("pass", line["step"]), shown)
        self.assertLess(len(table), 12)

    def test_bytes_are_those_of_the_files(self):
        model = onnx.load(MODEL / "model.onnx")
        floats = sum(math.prod(t.dims) * 4 for t in model.graph.initializer if t.data_type == TensorProto.FLOAT and math.prod(t.dims) > 1)
        for recipe in ("f32", "w4", "bf16"):
            with self.subTest(recipe):
                report, _ = self.compile(f"bytes-{recipe}", "--recipe", recipe, "--entry", "lm")
                stored = read_tensors(self.folder / f"bytes-{recipe}/weights.safetensors")
                tensors = {line["name"]: line for line in report["tensors"]}
                self.assertEqual({name: line["bytes"] for name, line in tensors.items()}, stored)
                first, last = report["passes"][0], report["passes"][-1]
                self.assertLessEqual(abs(first["bytes"] - floats), 64)
                self.assertEqual((last["bytes"], last["tensors"]), (sum(stored.values()), len(stored)))
                for role in ("linear", "table", "all"):
                    lines = [line for line in tensors.values() if role in ("all", line["role"])]
                    self.assertAlmostEqual(last["bits"][role], 8 * sum(line["bytes"] for line in lines) / sum(line["weights"] for line in lines))
                place, = (line for line in report["passes"] if line["step"] == "place weights")
                self.assertEqual(place["bytes"], last["bytes"])

    def test_rounding_belongs_to_the_pass_that_asked(self):
        report, _ = self.compile("asked", "--recipe", "w4", "--entry", "lm")
        asked, = (line for line in report["passes"] if "relative_error" in line)
        self.assertEqual(asked["pass"], "llmc-assign-methods")
        self.assertGreater(asked["later_seconds"], 0)
        rounded = [line for line in report["tensors"] if line.get("method", "keep") != "keep"]
        self.assertEqual(asked["methods_given"], len(rounded))
        self.assertLess(asked["bytes"], asked["bytes_before"] / 3)
        for role in ("linear", "table"):
            lines = [line for line in rounded if line["role"] == role]
            square = sum(line["weights"] * line["relative_error"] ** 2 for line in lines) / sum(line["weights"] for line in lines)
            self.assertAlmostEqual(asked["relative_error"][role], math.sqrt(square), places=12)
        later = [line["pass"] for line in report["passes"] if "later_seconds" in line]
        self.assertEqual(later, ["llmc-assign-methods", "llmc-pack-weights"])
        # Nothing is asked for where nothing is compressed.
        report, done = self.compile("plain", "--entry", "lm")
        self.assertFalse([line for line in report["passes"] if "methods_given" in line or "relative_error" in line])
        self.assertNotIn("llmc-pack-weights", done.stderr)

    def test_the_same_but_for_seconds(self):
        options = ("--recipe", "w4", "--calibration", TEXT, "--entry", "lm")
        first, second = (self.compile(name, *options, "--threads", threads)[0] for name, threads in (("one", 1), ("three", 3)))
        self.assertEqual(without_seconds(first), without_seconds(second))
        self.assertGreater(min(line["seconds"] for line in first["passes"]), 0)

    def test_calibration(self):
        recipe = self.folder / "calibrated.yaml"
        recipe.write_text(f"calibration: {{data: {TEXT}, samples: 3, length: 32}}\nquantize:\n"
                          "  - {match: down_proj, method: rtn, format: bf16}\n  - {match: o_proj, method: mse, format: i4g32, activations: auto}\n"
                          "  - {match: q_proj, method: sinq, format: i4g32}\n", encoding="utf-8")
        report, done = self.compile("calibrated", "--recipe", recipe, "--entry", "lm")
        found = report["calibration"]
        seconds = found.pop("seconds")
        self.assertGreater(seconds, 0)
        self.assertRegex(found.pop("hash"), "^[0-9a-f]{32}$")
        activations = found.pop("activations")
        self.assertEqual(sum(activations.values()), 3)
        self.assertLessEqual(set(activations), {"i8", "i16"})
        self.assertEqual(found, {"text": "LICENSE", "windows": 3, "length": 32, "tokens": 96, "methods": {"mse": 3, "sinq": 3}})
        line, = (line for line in report["passes"] if line["step"] == "calibrate" and "pass" not in line)
        self.assertEqual(line["seconds"], seconds)
        self.assertEqual(line["bytes"], line["bytes_before"])
        uses = "statistics of inputs given to mse for 3 matrices, statistics of inputs given to sinq for 3 matrices, inputs in i"
        self.assertIn(f"\ncalibration: {uses}", done.stderr)
        page = (self.folder / "calibrated/report.html").read_text(encoding="utf-8")
        self.assertIn(f"calibrated on 96 tokens of 'LICENSE' in 3 windows, {seconds:.2f} s: {uses}", page)
        Balance().feed(page)
        self.assertNotIn("calibration", self.compile("uncalibrated", "--recipe", "w4", "--entry", "lm")[0])

    def test_advice_on_entries_where_it_helps(self):
        """A mask of unsigned bytes has no code, and the entry lm needs no mask."""
        model = onnx.load(MODEL / "model.onnx")
        nodes = model.graph.node
        for node in nodes:
            for i, name in enumerate(node.input):
                if name == "attention_mask":
                    node.input[i] = "wide"
        nodes.insert(0, helper.make_node("Cast", ["narrow"], ["wide"], to=TensorProto.INT64))
        nodes.insert(0, helper.make_node("Cast", ["attention_mask"], ["narrow"], to=TensorProto.UINT8))
        onnx.save(model, self.folder / "narrow.onnx")
        note = "note: a language model needs only the entry lm"
        said = self.llmc("compile", self.folder / "narrow.onnx", "-o", self.folder / "narrow", code=1).stderr
        self.assertIn("tensor<?x?xui8>", said)
        self.assertIn(note, said)
        self.llmc("compile", self.folder / "narrow.onnx", "-o", self.folder / "narrow", "--entry", "lm")
        for recipe in ("{match: none_such, method: mse, format: i4g32}", "{method: none_such, format: i4g32}", "{method: mse, format: i4g7}"):
            path = self.folder / "wrong.yaml"
            path.write_text(f"quantize:\n  - {recipe}\n", encoding="utf-8")
            done = subprocess.run([LLMC, "compile", MODEL, "-o", self.folder / "wrong", "--recipe", path], capture_output=True, text=True)
            self.assertIn(done.returncode, (1, 2), recipe)
            self.assertIn("error: ", done.stderr, recipe)
            self.assertNotIn("entry lm", done.stderr, recipe)
        # Asked for one entry, nobody is told of the other because of a recipe.
        said = self.llmc("compile", MODEL, "-o", self.folder / "wrong", "--recipe", "w8", "--match", "none_such", "--entry", "lm", code=1).stderr
        self.assertNotIn("--entry", said)


if __name__ == "__main__":
    unittest.main()
