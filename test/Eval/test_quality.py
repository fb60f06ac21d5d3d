# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""benchmarks/quality: its table, and a run on a tiny model."""
from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np
import onnx

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "benchmarks"))

import test_eval
from comparison import ggml_formats, llama_quality, numpy_llama, quality

EVAL = {"perplexity": {"value": 5.5, "low": 5.4, "high": 5.6}, "excess": {"value": 0.01234, "low": -0.001, "high": 0.02},
        "kl_mean": {"value": 0.0042, "low": 0.004, "high": 0.005}, "kl_p99_9": {"value": 0.25}, "same_top1": {"value": 0.975},
        "reference_perplexity": {"value": 5.43}, "scored_tokens": 7, "text_tokens": 9, "protocol": {"name": "window", "window": 4}}


class Table(unittest.TestCase):
    def test_row(self):
        result = {"recipe": "w4", "compile_seconds": 1.25, "info": {"weight_bytes": 9_000_000}, "eval": EVAL}
        self.assertEqual(quality.row_of(result, 16_000_000),
                         ["w4", "9.0", "4.50", "5.5000", "1.234 [-0.100, 2.000]", "0.00420 [0.00400, 0.00500]", "0.250", "97.50", "1.2"])

    def test_what_failed_is_told(self):
        results = [{"recipe": "w4", "compile_seconds": 1.0, "info": {"weight_bytes": 1}, "eval": EVAL},
                   {"recipe": "w9", "reason": "unknown recipe"}]
        lines = quality.report({"model": "m", "text": "/t/a.txt", "reference": "f32", "numbers": 2, "results": results}).splitlines()
        self.assertEqual(lines[0], "m on a.txt: 7 of 9 tokens scored; name window, window 4; reference f32: perplexity 5.4300")
        self.assertEqual(len(lines), 6)
        self.assertEqual(lines[4].split(), ["w9", *["-"] * 8])
        self.assertEqual(lines[5], "not measured: w9: unknown recipe")


class Peer(unittest.TestCase):
    """What is computed of llama.cpp's logits is what llmc eval is tested against."""

    def test_windows(self):
        for name, length, stride, bos in (("window", 8, 8, None), ("window", 8, 7, 1), ("window", 8, 3, 1), ("window", 5, 1, None),
                                          ("llama.cpp", 8, 8, None), ("llama.cpp", 8, 8, 1), ("llama.cpp", 7, 7, 1)):
            for count in (1, 8, 9, 15, 16, 17, 40):
                tokens = list(range(100, 100 + count))
                protocol = {"name": name, "window": length, "stride": stride, "bos": bos is not None}
                got = list(llama_quality.windows(protocol, tokens, 1))
                want = [(ids, len(ids) - first) for ids, first in test_eval.windows(name, tokens, length, stride, bos) if first < len(ids)]
                self.assertEqual(got, want, (protocol, count))

    def test_figures(self):
        rng = np.random.default_rng(1)
        ids = rng.integers(0, 9, 50).tolist()
        mine, theirs = rng.normal(0, 2, (2, 50, 9)).astype(np.float32)
        theirs[:, 3] = theirs.max(-1) + 0.05  # near ties
        figures = llama_quality.Figures()
        figures.add(llama_quality.log_softmax(mine[:-1]), llama_quality.log_softmax(theirs[:-1]), ids[1:])
        got, want = figures.summary(), test_eval.expected(lambda _: mine, lambda _: theirs, [(ids, 1)])
        for name, value in want.items():
            if isinstance(value, dict):
                self.assertAlmostEqual(got[name]["value"], value["value"], 12)
            else:
                self.assertAlmostEqual(got[name], value, 12)


class Encoder:
    """Stands for ggml: gguf's own encoders behind ggml's function."""

    @staticmethod
    def ggml_quantize_chunk(kind, source, target, start, rows, width, weights):
        values = np.ctypeslib.as_array(ctypes.cast(source, ctypes.POINTER(ctypes.c_float)), (rows, width))
        encoded = gguf.quantize(values, gguf.GGMLQuantizationType(kind))
        ctypes.memmove(target, encoded.ctypes.data, encoded.nbytes)
        return encoded.nbytes


def make_model(home: Path, name: str) -> None:
    """The ONNX folder `name` of a small random model of llama2.c."""
    sys.path.insert(0, str(ROOT / "test/Scripts"))
    import llama2c_file

    llama2c_file.make(home / "m.bin")
    llama2c_file.make_tokenizer(home / "t.bin")
    command = [sys.executable, ROOT / "scripts/convert/llama2c_to_onnx.py", home / "m.bin", "--tokenizer", home / "t.bin", "-o", home / name]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


class ThroughGgml(unittest.TestCase):
    def test_matrices_and_nothing_else_change(self):
        with tempfile.TemporaryDirectory() as home:
            home = Path(home)
            make_model(home, "f32")
            size = ggml_formats.write(Encoder, home / "f32", home / "q4_0", "q4_0", "q8_0")
            before, after = ({t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(home / f / "model.onnx").graph.initializer}
                             for f in ("f32", "q4_0"))
            wanted = 0
            for name, values in before.items():
                kind = "Q8_0" if name == "model.embed_tokens.weight" else "Q4_0" if name.endswith("_proj.weight") else None
                if kind is None:
                    self.assertTrue(np.array_equal(after[name], values), name)
                    wanted += values.nbytes if values.dtype == np.float32 else 0
                    continue
                type_ = gguf.GGMLQuantizationType[kind]
                matrix = values.T if kind == "Q4_0" else values
                encoded = gguf.quantize(np.ascontiguousarray(matrix).reshape(1, -1), type_)
                decoded = gguf.dequantize(encoded, type_).reshape(matrix.shape)
                self.assertTrue(np.array_equal(after[name].T if kind == "Q4_0" else after[name], decoded), name)
                self.assertFalse(np.array_equal(after[name], values), name)
                wanted += encoded.nbytes
            self.assertEqual(size, wanted)

    def test_refuses_what_does_not_fit(self):
        with self.assertRaisesRegex(RuntimeError, "a multiple of 32 numbers for q4_0 but got 33"):
            ggml_formats.round_trip(Encoder, np.zeros((3, 11), np.float32), "q4_0")


class Roundings(unittest.TestCase):
    """The reference that llmc's methods are held against."""

    def test_scale_of_columns(self):
        # A tile whose scales were computed by hand of the published procedure.
        i, j = np.mgrid[:6, :8]
        tile = 0.05 * np.sin(1 + 3.7 * i + 2.3 * j + 0.9 * i * j) * (1 + 0.5 * i) * np.where(j == 5, 4, 1)
        wanted = [.982919, 1.034538, 1.276670, .740818, 1.417472, 5.294070, 1.490531, 1.182715]
        np.testing.assert_allclose(numpy_llama.even_out(tile), wanted, atol=1e-6)

    def test_codes(self):
        matrix = np.array([[0, 1, 2, 3, 10, 10.4, 11, 13], [-3, 0, 1.4, 0, 0, 0, 0, 0]])
        # Steps of 1 and 0.5 f16; the zero of the second row's first group is on a code.
        rounded = numpy_llama.round_groups(matrix, 2, 4)
        np.testing.assert_allclose(rounded[0], [0, 1, 2, 3, 10, 10, 11, 13], rtol=1e-3)
        self.assertEqual(rounded[1, 1], 0)
        np.testing.assert_array_equal(rounded[1, 4:], 0)
        signed = numpy_llama.round_signed(np.array([[127, -63.4, 0.5, 1.5]]), 4)
        np.testing.assert_array_equal(signed, [[127, -63, 0, 2]])

    def test_scales_are_shared_where_they_should_be(self):
        rng = np.random.default_rng(5)
        pair = [rng.standard_normal((24, 32)) * np.exp(rng.standard_normal(32)) for _ in range(2)]
        alone, joint, plain = (numpy_llama.round_matrices(f"{kind}/u4g16", pair) for kind in ("sinq", "sinq-joint", "rtn"))
        errors = [sum(np.square(a - b).sum() for a, b in zip(pair, each)) for each in (alone, joint, plain)]
        self.assertLess(errors[0], errors[2])
        self.assertFalse(np.array_equal(alone[0], joint[0]))
        self.assertTrue(np.array_equal(alone[0], numpy_llama.round_matrices("sinq-joint/u4g16", pair[:1])[0]))

    def test_names(self):
        for kind in ("sinq", "sinq/u4", "awq/u4g32", "rtn/u9g32", "rtn/u4g0"):
            with self.assertRaisesRegex(ValueError, "expected a kind such as sinq/u4g32"):
                numpy_llama.parse(kind)


PEER = Path(os.environ.get("LLMC_PEER_PYTHON", BUILD / "venv-bench/bin/python"))


def has_llama() -> bool:
    return PEER.exists() and subprocess.run([PEER, "-c", "import llama_cpp"], capture_output=True).returncode == 0


class AsGguf(unittest.TestCase):
    @unittest.skipUnless(has_llama(), "no llama-cpp-python in build/venv-bench or at LLMC_PEER_PYTHON")
    def test_llama_reads_what_we_write(self):
        sys.path.insert(0, str(ROOT / "test/Scripts"))
        import llama_gguf
        with tempfile.TemporaryDirectory() as home:
            home = Path(home)
            llama_gguf.make(home / "m.gguf", hidden=128, inner=256)
            subprocess.run([sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", home / "m.gguf", "-o", home / "m"], check=True,
                           capture_output=True)
            random = np.random.default_rng(8)
            (home / "text").write_text(" ".join(random.choice(["the", "an", "in", "and", "thin", "tan"], 300)))
            command = [sys.executable, ROOT / "benchmarks/quality", "--llmc", BUILD / "bin/llmc", "--model", home / "m", "--text", home / "text",
                       "--context", 32, "--recipes", "f32,w4-gguf", "--as-gguf", "f32,w4-gguf", "--peer-python", PEER,
                       "--json", home / "quality.json"]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            results = {r["recipe"]: r for r in json.loads((home / "quality.json").read_text())["results"]}
            # llama.cpp keeps keys and values in f16.
            for recipe, off in {"f32": 1e-3, "w4-gguf": 5e-3}.items():
                theirs = results[f"{recipe} as GGUF"]
                ours = results[recipe]["eval"]["perplexity"]["value"]
                self.assertEqual(theirs["eval"]["scored_tokens"], results[recipe]["eval"]["scored_tokens"])
                self.assertLess(abs(theirs["eval"]["perplexity"]["value"] / ours - 1), off, recipe)
                self.assertEqual(theirs["own"]["perplexity"], ours)
                self.assertIn(f"{recipe} as GGUF: perplexity", done.stdout)
                self.assertGreaterEqual(theirs["own"]["same"], (1 if recipe == "f32" else 0.5) * theirs["own"]["greedy_tokens"], recipe)
            self.assertEqual(results["f32 as GGUF"]["own"]["greedy_tokens"], 64)


class Run(unittest.TestCase):
    def test_numpy(self):
        with tempfile.TemporaryDirectory() as home:
            home = Path(home)
            make_model(home, "m")
            command = [sys.executable, ROOT / "benchmarks/quality", "--llmc", BUILD / "bin/llmc", "--model", home / "m", "--text", ROOT / "LICENSE",
                       "--max-tokens", 200, "--recipes", "f32", "--numpy", "f32,rtn/u4g16", "--json", home / "quality.json"]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 0, done.stderr)
            content = json.loads((home / "quality.json").read_text(encoding="utf-8"))
            names = ["f32", "rtn-u4g16-i16.yaml", "rtn-u4g16-i8.yaml", "numpy f32", "numpy rtn/u4g16"]
            self.assertEqual([Path(r["recipe"]).name if r["recipe"].endswith(".yaml") else r["recipe"] for r in content["results"]], names)
            ours, wide, narrow, theirs, rounded = (r["eval"] for r in content["results"])
            self.assertEqual(ours["scored_tokens"], theirs["scored_tokens"])
            self.assertAlmostEqual(ours["perplexity"]["value"] / theirs["perplexity"]["value"], 1, 5)
            # The same roundings, apart from where a scale in f16 moves a code.
            self.assertGreater(rounded["kl_mean"]["value"], 0)
            self.assertAlmostEqual(wide["kl_mean"]["value"] / rounded["kl_mean"]["value"], 1, 1)
            self.assertGreater(abs(narrow["kl_mean"]["value"] - wide["kl_mean"]["value"]), 0)

    def test_tiny(self):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "quality.json"
            command = [sys.executable, ROOT / "benchmarks/quality", "--llmc", BUILD / "bin/llmc", "--model", ROOT / "test/models/llama/optimum",
                       "--text", ROOT / "LICENSE", "--max-tokens", 300, "--context", 32, "--recipes", "f32,no-such-recipe", "--json", out]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
            self.assertEqual(done.returncode, 1, done.stderr)
            found = json.loads(out.read_text(encoding="utf-8"))
            plain, unknown = found["results"]
            self.assertEqual(plain["eval"]["kl_mean"]["value"], 0)
            self.assertEqual(plain["eval"]["text_tokens"], 300)
            self.assertGreater(plain["eval"]["perplexity"]["value"], 1)
            self.assertIn("no-such-recipe", unknown["reason"])
            self.assertIn("not measured: no-such-recipe", done.stdout)


if __name__ == "__main__":
    unittest.main()
