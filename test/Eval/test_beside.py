# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Quality beside speed: `benchmarks/quality --peers`, and what it wrote in the table of
`benchmarks/compare --quality`, from the command line to the printed rows, on a tiny
model. llmc and ONNX Runtime are themselves; llama-cpp-python is stand_in/llama_cpp.py,
and other peers are not there, which the tables must say."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import types
import unittest
import venv
from pathlib import Path
from unittest import mock

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "test/Scripts")]

import llama_gguf
from comparison import genai_model, main, onnx_to_gguf, packages, peer_logits, quality
from comparison.llama_quality import log_softmax

WINDOW = 16


def make_model(home: Path) -> None:
    """home/tiny.gguf and the ONNX folder home/tiny."""
    llama_gguf.make(home / "tiny.gguf", hidden=64, inner=96)
    subprocess.run([sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", home / "tiny.gguf", "-o", home / "tiny"], check=True,
                   capture_output=True)


class Tables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.home = Path(folder.name)
        make_model(cls.home)
        for name in ("benchmarks", "scripts"):
            (cls.home / name).symlink_to(ROOT / name)
        words = np.random.default_rng(8).choice(["the", "an", "in", "and", "thin", "tan"], 60)
        (cls.home / "text.txt").write_text(" ".join(words), encoding="utf-8")
        cls.python = cls.make_environment()

    @classmethod
    def make_environment(cls) -> Path:
        """A Python with the packages of this one, and llama-cpp-python, as far as pip could tell."""
        venv.create(cls.home / "venv")
        site = next((cls.home / "venv/lib").glob("python*/site-packages"))
        paths = [sysconfig.get_path("purelib"), ROOT / "test/Eval/stand_in", ROOT / "test/Scripts"]
        (site / "peers.pth").write_text("".join(f"{path}\n" for path in paths))
        version = packages.pins(ROOT / "benchmarks/requirements.txt")["llama-cpp-python"]
        about = site / f"llama_cpp_python-{version}.dist-info/METADATA"
        about.parent.mkdir()
        about.write_text(f"Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: {version}\n")
        return cls.home / "venv/bin/python"

    def run_main(self, module: str, *arguments, code: int = 0) -> list[str]:
        """What a script of benchmarks/ prints, in a tree of its own."""
        program = (f"import sys, pathlib; sys.path.insert(0, {str(ROOT / 'benchmarks')!r}); from comparison.{module} import main; "
                   f"sys.exit(main(pathlib.Path({str(self.home)!r})))")
        done = subprocess.run(list(map(str, [self.python, "-c", program, "--llmc", BUILD / "bin/llmc", "--model", self.home / "tiny", *arguments])),
                              capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout.splitlines()

    def rows(self, lines: list[str]) -> dict[str, list[str]]:
        """The cells of the one table, by the first."""
        first = next(i for i, line in enumerate(lines) if line.startswith("---") or line.startswith("----"))
        bounds, at = [], 0
        for dashes in lines[first].split("  "):
            bounds.append((at, at + len(dashes)))
            at += len(dashes) + 2
        found = {}
        for line in lines[first + 1:]:
            if not line or line.startswith(("not measured", "mean KL from")):
                break
            cells = [line[a:b].strip() for a, b in bounds]
            found[cells[0]] = cells[1:]
        return found

    def test_quality_stands_beside_speed(self):
        out = self.home / "quality.json"
        lines = self.run_main("quality", "--text", self.home / "text.txt", "--context", WINDOW, "--recipes", "f32,w8", "--peers",
                              "f32,q4_0,q8_0,q4_k_m,ort-f32,ort-int4,openvino-q4_0", "--peer-python", self.python, "--json", out, code=1)
        content = json.loads(out.read_text(encoding="utf-8"))
        results = {r["recipe"]: r for r in content["results"]}
        self.assertEqual(list(results), ["f32", "w8", "llama.cpp f32", "llama.cpp q4_0", "llama.cpp q8_0", "llama.cpp q4_k_m", "ort-f32",
                                         "ort-int4", "openvino-q4_0"])
        # It is the same model for all of them, as onnx_to_gguf and genai_model write it.
        ours = results["f32"]["eval"]
        kl = {name: r["eval"]["kl_mean"]["value"] for name, r in results.items() if "eval" in r}
        for name in ("llama.cpp f32", "ort-f32"):
            self.assertEqual(results[name]["eval"]["scored_tokens"], ours["scored_tokens"])
            self.assertAlmostEqual(results[name]["eval"]["perplexity"]["value"] / ours["perplexity"]["value"], 1, 4)
            self.assertLess(kl[name], 1e-6)
        self.assertEqual(kl["llama.cpp f32"], 0)
        self.assertGreater(kl["llama.cpp q4_0"], 10 * kl["llama.cpp q8_0"])
        self.assertGreater(kl["llama.cpp q8_0"], 1e-6)
        self.assertGreater(kl["ort-int4"], 10 * kl["llama.cpp q8_0"])
        self.assertIn("expected llama.cpp to write q4_k_m but it returned 1", results["llama.cpp q4_k_m"]["reason"])
        self.assertIn("No module named 'openvino'", results["openvino-q4_0"]["reason"])
        rows = self.rows(lines)
        self.assertEqual(list(rows), list(results))
        for name, value in kl.items():
            self.assertEqual(rows[name][4].split()[0], f"{value:.5f}")
        self.assertEqual(rows["openvino-q4_0"], ["-"] * 8)
        self.assertTrue(any(line.startswith("not measured: openvino-q4_0: ModuleNotFoundError") for line in lines))

        peers = ["llama-f32", "llama-q4_0", "llama-q4_k_m", "ort-plain", "openvino-q4_0"]
        lines = self.run_main("main", "--gguf", self.home / "tiny.gguf", "--recipe", "f32", "--quality", out, "--peers", ",".join(peers),
                              "--no-install", "--quick", "--threads", 1, "--repeat", 1, "--prompt", 8, "--decode", 2, "--json",
                              self.home / "compare.json")
        rows = self.rows(lines)
        head = next(line for line in lines if "prefill tok/s" in line)
        self.assertRegex(head, r"decode tok/s +llmc/peer +mean KL +same ids$")
        self.assertEqual(list(rows), ["llmc", "llama-f32", "llama-q4_0", "ort-plain"])
        told = {"llmc": kl["f32"], "llama-f32": kl["llama.cpp f32"], "llama-q4_0": kl["llama.cpp q4_0"]}
        for name, cells in rows.items():
            self.assertEqual(cells[4], f"{told[name]:.5f}" if name in told else "-", name)
            self.assertGreater(float(cells[0].split()[0]), 0)
            self.assertGreater(float(cells[2].split()[0]), 0)
        for name in ("llama-f32", "ort-plain"):  # the same model, token by token
            self.assertEqual(rows[name][5], "8 of 8")
        said = "\n".join(lines)
        self.assertIn("not measured: llama-q4_k_m: RuntimeError: expected llama.cpp to write q4_k_m", said)
        self.assertRegex(said, r"not measured: openvino-q4_0: openvino\S* \S+ is not installed")
        self.assertIn("mean KL from f32: of tiny on text.txt, by benchmarks/quality; speeds are of tiny", said)
        self.assertIn("llama.cpp says: NUMPY = 1", said)

    def test_without_the_reference_there_is_nothing(self):
        lines = self.run_main("quality", "--text", self.home / "text.txt", "--context", WINDOW, "--recipes", "f32", "--peers", "f32,q4_0",
                              "--peer-python", self.home / "none", "--json", self.home / "none.json", code=1)
        self.assertEqual(sum(line.startswith("not measured: llama.cpp ") for line in lines), 2)
        self.assertIn("expected a Python with llama-cpp-python", "\n".join(lines))


class Names(unittest.TestCase):
    def test_divergences_stand_with_the_names_of_peers(self):
        with tempfile.TemporaryDirectory() as home:
            path = Path(home, "quality.json")
            results = [{"recipe": name, "eval": {"kl_mean": {"value": value}}}
                       for name, value in (("w4", 0.05), ("llama.cpp q4_k_m", 0.0625), ("ort-int4", 0.07), ("ggml q4_k", 0.06))]
            path.write_text(json.dumps({"results": [*results, {"recipe": "llama.cpp q4_0", "reason": "none"}]}))
            options = types.SimpleNamespace(quality=path, recipe="w4", peers=["llama-q4_k_m", "llama-q4_0", "ort-int4", "ort-plain"])
            self.assertEqual(main.divergences(options), {"llmc": "0.05000", "llama-q4_k_m": "0.06250", "ort-int4": "0.07000"})
            options.quality = None
            self.assertEqual(main.divergences(options), {})

    def test_names_of_tensors(self):
        for name, want in (("model.embed_tokens.weight", "token_embd.weight"), ("lm_head.weight", "output.weight"),
                           ("model.norm.weight", "output_norm.weight"), ("model.layers.7.self_attn.k_proj.weight", "blk.7.attn_k.weight"),
                           ("model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"), ("rotary.cos", None)):
            self.assertEqual(onnx_to_gguf.name_of(name), want)

    def test_one_peer_fails_alone(self):
        found = {"f32": {"eval": {}, "bytes": 3, "greedy": []}, "ort-int4": {"reason": "ImportError: none"}}
        with mock.patch.object(quality, "by_llama", return_value=found):
            got = quality.peers(None, {}, Path(), Path(), ["f32", "ort-int4"])
        self.assertEqual(got, [{"recipe": "llama.cpp f32", "compile_seconds": None, "info": {"weight_bytes": 3}, "eval": {}},
                               {"recipe": "ort-int4", "reason": "ImportError: none"}])


class Logits(unittest.TestCase):
    IDS = [1, 5, 9, 13, 2, 30]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        make_model(self.home)
        self.want = llama_gguf.forward(gguf.GGUFReader(self.home / "tiny.gguf"), self.IDS)

    def test_files_for_llama_hold_the_model(self):
        onnx_to_gguf.write(self.home / "tiny", self.home / "again.gguf")
        reader, source = gguf.GGUFReader(self.home / "again.gguf"), gguf.GGUFReader(self.home / "tiny.gguf")
        stored = {t.name: llama_gguf.decoded(t) for t in reader.tensors}
        self.assertEqual(stored.keys(), {t.name for t in source.tensors})
        for tensor in source.tensors:
            np.testing.assert_array_equal(stored[tensor.name], llama_gguf.decoded(tensor), tensor.name)
        np.testing.assert_array_equal(llama_gguf.forward(reader, self.IDS), self.want)
        for key in ("llama.context_length", "llama.vocab_size", "tokenizer.ggml.bos_token_id"):
            self.assertIsInstance(reader.fields[key].contents(), int)
        self.assertEqual(reader.fields["tokenizer.ggml.tokens"].contents(), source.fields["tokenizer.ggml.tokens"].contents())

    def test_files_for_llama_refuse_other_vocabularies(self):
        path = self.home / "tiny/tokenizer.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["model"]["vocab"].popitem()
        path.write_text(json.dumps(content), encoding="utf-8")
        with self.assertRaisesRegex(ValueError, r"expected \d+ tokens but got \d+"):
            onnx_to_gguf.write(self.home / "tiny", self.home / "again.gguf")

    def test_onnx_runtime(self):
        exact = peer_logits.OnnxRuntime(self.home / "tiny", "ort-f32", 1, self.home)
        got = exact.logits(self.IDS)
        self.assertEqual(got.shape, self.want.shape)
        np.testing.assert_allclose(got, self.want, rtol=1e-3, atol=1e-3)
        np.testing.assert_array_equal(exact.logits(self.IDS[:3]), got[:3])  # no state is left of the last call
        rounded = peer_logits.OnnxRuntime(self.home / "tiny", "ort-int4", 1, self.home)
        apart = np.linalg.norm(rounded.logits(self.IDS) - self.want) / np.linalg.norm(self.want)
        self.assertTrue(0.01 < apart < 0.5, apart)
        matrices = sum(t.n_elements for t in gguf.GGUFReader(self.home / "tiny.gguf").tensors if len(t.shape) == 2)
        self.assertEqual(rounded.bytes, (self.home / "tiny.ort-int4/model.int4.data").stat().st_size)
        self.assertGreaterEqual(rounded.bytes, matrices // 32 * 20)  # and gaps up to pages
        divergence = (np.exp(log_softmax(self.want)) * (log_softmax(self.want) - log_softmax(rounded.logits(self.IDS)))).sum(-1)
        self.assertTrue((divergence > 0).all())

    def test_openvino(self):
        """The model that GenAI saves is run, with the inputs that it names, from an empty state."""
        calls, saved = [], self.home / "openvino_model.xml"
        ports = [types.SimpleNamespace(names={name}) for name in ("input_ids", "attention_mask", "beam_idx")]

        class Request:
            def reset_state(self):
                calls.append("reset")

            def infer(self, values):
                calls.append(values)
                return {"logits": np.arange(12, dtype=np.float32).reshape(1, 3, 4)}

        compiled = types.SimpleNamespace(inputs=ports, create_infer_request=Request)
        core = types.SimpleNamespace(compile_model=lambda *arguments: calls.append(arguments) or compiled)
        openvino = types.ModuleType("openvino")
        openvino.Core = lambda: core
        genai = types.ModuleType("openvino_genai")
        genai.LLMPipeline = lambda *_, **__: saved.write_text("model")
        with mock.patch.dict(sys.modules, openvino=openvino, openvino_genai=genai):
            peer = peer_logits.OpenVino(self.home / "tiny.gguf", 3)
            got = peer.logits([4, 5, 6])
            saved.write_text("of another run")
            genai.LLMPipeline = lambda *_, **__: None
            with self.assertRaisesRegex(RuntimeError, "expected OpenVINO GenAI to save openvino_model.xml"):
                peer_logits.OpenVino(self.home / "tiny.gguf", 3)
        self.assertEqual(calls[0], (str(saved), "CPU", {"INFERENCE_NUM_THREADS": 3}))
        self.assertEqual(calls[1], "reset")
        self.assertEqual(calls[2].keys(), {"input_ids", "attention_mask", "beam_idx"})
        np.testing.assert_array_equal(calls[2]["input_ids"], [[4, 5, 6]])
        np.testing.assert_array_equal(got, np.arange(12).reshape(3, 4))
        self.assertEqual(peer.bytes, (self.home / "tiny.gguf").stat().st_size)


if __name__ == "__main__":
    unittest.main()
