# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF files that llmc writes: read by the `gguf` package, run by a Llama in f64
that works on GGUF's own layout, and turned into ONNX again."""
from __future__ import annotations

import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np

from compressed import MODELS, ROOT, llmc, stored
from test_onnx import Folder

sys.path.insert(0, str(ROOT / "test/Scripts"))
import llama_gguf  # noqa: E402

IDS = [1, 5, 9, 30, 2, 2, 17, 41, 8, 3, 33]


def to_onnx(model: Path, folder: Path, *more: str) -> None:
    command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", model, "-o", folder, "--force", *more]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def distance(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))


class Gguf(Folder):
    def setUp(self):
        super().setUp()
        self.model, self.folder, self.out = self.home / "m.gguf", self.home / "onnx", self.home / "out.gguf"

    def make(self, **options):
        llama_gguf.make(self.model, **options)
        to_onnx(self.model, self.folder)

    def compress(self, recipe: str, *more, code: int = 0, model=None) -> str:
        name = recipe if "\n" not in recipe else self.recipe(recipe)
        return llmc("compress", model or self.folder, "-o", self.out, "--recipe", name, "-q", "-f", *more, code=code)

    def forward(self, model: Path) -> np.ndarray:
        return llama_gguf.forward(gguf.GGUFReader(model), IDS)

    def test_numbers_come_back(self):
        """Without compression every tensor is the one the model was made from, and so is what is said of it."""
        for tied, bias in ((True, False), (False, True)):
            with self.subTest(tied=tied, bias=bias):
                self.make(tied=tied, bias=bias)
                self.compress("f32")
                want, got = gguf.GGUFReader(self.model), gguf.GGUFReader(self.out)
                tensors = {t.name: llama_gguf.decoded(t) for t in got.tensors}
                self.assertEqual(tensors.keys(), {t.name for t in want.tensors})
                for tensor in want.tensors:
                    np.testing.assert_array_equal(tensors[tensor.name], llama_gguf.decoded(tensor), tensor.name)
                    place = next(t.data_offset for t in got.tensors if t.name == tensor.name)
                    self.assertEqual(place % 32, 0)
                for key, field in want.fields.items():
                    if key.startswith(("llama.", "tokenizer.")):
                        self.assertIn(key, got.fields)
                        value = field.contents()
                        if isinstance(value, float):
                            self.assertAlmostEqual(got.fields[key].contents(), value, 9, key)
                        else:
                            self.assertEqual(got.fields[key].contents(), value, key)

    def test_blocks(self):
        self.make(tied=False)
        want = {t.name: llama_gguf.decoded(t) for t in gguf.GGUFReader(self.model).tensors}
        logits = self.forward(self.model)
        for kind, largest in {"Q4_0": .1, "Q4_1": .09, "Q8_0": .006}.items():
            with self.subTest(kind):
                self.compress(f"quantize:\n  - {{method: mse, format: {kind.lower()}}}\n")
                made = gguf.GGUFReader(self.out)
                for tensor in made.tensors:
                    value = want[tensor.name]
                    self.assertEqual(tensor.tensor_type.name, kind if value.ndim == 2 else "F32", tensor.name)
                    got = llama_gguf.decoded(tensor)
                    np.testing.assert_array_equal(gguf.dequantize(tensor.data, tensor.tensor_type).reshape(got.shape), got)
                    self.assertLess(distance(got, value), largest, tensor.name)
                self.assertLess(distance(self.forward(self.out), logits), 12 * largest)

    def test_numbers_of_16_bits(self):
        self.make(tied=False)
        want = {t.name: llama_gguf.decoded(t) for t in gguf.GGUFReader(self.model).tensors}
        for kind, dtype in {"bf16": ml_dtypes.bfloat16, "f16": np.float16}.items():
            with self.subTest(kind):
                self.compress(f"quantize:\n  - {{format: {kind}}}\n")
                made = gguf.GGUFReader(self.out)
                self.assertEqual(len(made.tensors), len(want))
                for tensor in made.tensors:
                    value = want[tensor.name]
                    self.assertEqual(tensor.tensor_type.name, kind.upper() if value.ndim == 2 else "F32", tensor.name)
                    got = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(value.shape)
                    rounded = value.astype(dtype).astype(np.float32) if value.ndim == 2 else value
                    # Halves of heads take turns in both files alike.
                    np.testing.assert_array_equal(got, rounded, tensor.name)

    def check_round_trip(self, recipe: str):
        """Through ONNX and back: compiling the blocks as they are gives what compiling the original gives."""
        self.compress(recipe)
        to_onnx(self.out, self.home / "back", "--keep-blocks")
        name = recipe if "\n" not in recipe else self.home / "recipe.yaml"
        llmc("compile", self.folder, "-o", self.home / "a", "--recipe", name, "--entry", "lm", "-q")
        llmc("compile", self.home / "back", "-o", self.home / "b", "--recipe", "keep", "--entry", "lm", "-q")
        want, got = stored(self.home / "a"), stored(self.home / "b")
        self.assertEqual(want.keys(), got.keys())
        for tensor, value in want.items():
            self.assertTrue(value == got[tensor], tensor)

    def test_round_trip(self):
        self.make()
        for kind in ("q4_0", "q4_1", "q8_0"):
            with self.subTest(kind):
                self.check_round_trip(f"quantize:\n  - {{read: gather, method: mse, format: q8_0}}\n"
                                      f"  - {{method: mse, format: {kind}}}\n")

    def test_calibrated_blocks(self):
        """Inputs that are measured are those of the numbers that blocks stand for; what is kept does not depend on them."""
        self.make()
        self.compress("w4-gguf")
        numbers, blocks = self.home / "numbers", self.home / "blocks"
        to_onnx(self.out, numbers)
        to_onnx(self.out, blocks, "--keep-blocks")
        known = ["--calibration", ROOT / "LICENSE"]
        made = {}
        for name, model, recipe, more in (("n", numbers, "w4", known), ("b", blocks, "w4", known), ("not", blocks, "w4", []),
                                          ("keep", blocks, "keep", []), ("known", blocks, "keep", known)):
            said = llmc("compile", model, "-o", self.home / name, "--recipe", recipe, "--entry", "lm", *more)
            self.assertEqual("llmc: calibrated on " in said, bool(more), said)
            self.assertFalse((self.home / f".{name}.llmc-partial").exists())
            made[name] = (self.home / name / "weights.safetensors").read_bytes()
        self.assertEqual(made["b"], made["n"])
        self.assertNotEqual(made["b"], made["not"])
        self.assertEqual(made["known"], made["keep"])

    def test_scales_of_columns_go_into_norms(self):
        self.make()
        self.check_round_trip("w4-gguf")
        # They are exact: what is lost is lost by four bits.
        self.assertLess(distance(self.forward(self.out), self.forward(self.model)), 0.5)
        norms = lambda path: {t.name: llama_gguf.decoded(t) for t in gguf.GGUFReader(path).tensors if "norm" in t.name}
        before, after = norms(self.model), norms(self.out)
        self.assertTrue(all(not np.array_equal(before[n], after[n]) for n in before if n != "output_norm.weight"))

    def test_threads_do_not_change_a_bit(self):
        self.make()
        files = []
        for threads in (1, 2):
            self.compress("w4-gguf", "--threads", threads)
            files.append(self.out.read_bytes())
        self.assertEqual(*files)

    def test_refusals(self):
        self.make()
        said = self.compress("quantize:\n  - {method: mse, format: i6g32}\n", code=1)
        self.assertIn("GGUF has no blocks of format 'i6g32", said)
        self.assertIn("q4_0", said)
        said = self.compress("quantize:\n  - {method: mse, format: v4b8}\n", code=1)
        self.assertIn("GGUF has no blocks of format 'v4b8g32'; use one of q4_0", said)
        said = self.compress("quantize:\n  - {method: mse, format: q4_0, hadamard: 32}\n", code=1)
        self.assertIn("transforms columns, which blocks of GGUF do not say; use 'i4g32'", said)
        self.assertIn("expected a multiple of 32 columns", self.compress("w4-gguf", code=1, model=MODELS / "llama/optimum"))
        self.assertIn("the model is no Llama", self.compress("f32", code=1, model=MODELS / "qwen3/optimum"))
        self.assertIn("the model is no Llama", self.compress("f32", code=1, model=MODELS / "gemma3/optimum"))
        self.assertIn("no entry 'lm'", self.compress("f32", code=1, model=MODELS / "bert/optimum"))
        self.assertIn("expected tokenizer.json beside the model", self.compress("f32", code=1, model=MODELS / "llama/dynamo"))
        tokenizer = self.folder / "tokenizer.json"
        text = tokenizer.read_text()
        tokenizer.write_text(text.replace('"BPE"', '"Unigram"'))
        self.assertIn("expected a model of type BPE but got 'Unigram'", self.compress("f32", code=1))
        tokenizer.write_text('{"model":' + "[" * 400_000 + "]" * 400_000 + "}")
        self.assertIn("levels of nesting", self.compress("f32", code=1))
        tokenizer.write_text(text)
        self.assertIn("--style is for ONNX files", self.compress("f32", "--style", "qdq", code=2))
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main()
