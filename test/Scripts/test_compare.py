# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""benchmarks/compare: its arithmetic, its table, and that the models it makes for
peers are the same model. Nothing here is timed."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np
import onnx
import onnxruntime

import llama_gguf

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from comparison import figures, genai_model, gguf_files, packages
from comparison.peers import PEERS

# The second round ran on a machine half as fast; the third lost the peer.
ROUNDS = [{"llmc": {"prefill": 400.0, "decode": 40.0}, "peer": {"prefill": 200.0, "decode": 50.0}},
          {"llmc": {"prefill": 200.0, "decode": 21.0}, "peer": {"prefill": 100.0, "decode": 25.0}},
          {"llmc": {"prefill": 420.0, "decode": 44.0}}]


class Figures(unittest.TestCase):
    def test_spread(self):
        found = figures.spread([3.0, 1.0, 2.0, 10.0])
        self.assertEqual((found.middle, found.low, found.high, found.count), (2.5, 1.0, 10.0, 4))
        self.assertEqual(found.text(1), "2.5 (1.0..10.0)")
        self.assertEqual(figures.spread([7.25]).text(1), "7.2")
        self.assertIsNone(figures.spread([]))

    def test_ratios_are_taken_within_a_round(self):
        self.assertEqual(figures.ratios(ROUNDS, "llmc", "peer", "prefill"), [2.0, 2.0])
        self.assertEqual(figures.ratios(ROUNDS, "llmc", "peer", "decode"), [0.8, 0.84])
        self.assertEqual(figures.ratios(ROUNDS, "llmc", "absent", "decode"), [])

    def test_figures_of_one_name(self):
        self.assertEqual(figures.figures_of(ROUNDS, "peer", "decode").count, 2)
        self.assertIsNone(figures.figures_of(ROUNDS, "absent", "decode"))

    def test_common_start(self):
        self.assertEqual(figures.common_start([1, 2, 3], [1, 2, 4]), 2)
        self.assertEqual(figures.common_start([1, 2, 3], [1, 2]), 2)
        self.assertEqual(figures.common_start([1], [2]), 0)


class Table(unittest.TestCase):
    def test_table_aligns(self):
        self.assertEqual(figures.table(["", "tok/s"], [["a", "1"], ["long", "1000000"]]),
                         "        tok/s\n----  -------\na           1\nlong  1000000")

    def test_table_refuses_ragged_rows(self):
        with self.assertRaises(ValueError):
            figures.table(["a", "b"], [["only one"]])

    def test_compared(self):
        lines = figures.compared(ROUNDS, ["llmc", "peer"], "llmc", {"peer": "8 of 8"}).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(lines[2].split(), ["llmc", "400", "(200..420)", "-", "40", "(21..44)", "-"])
        self.assertEqual(lines[3].split()[1:5], ["150", "(100..200)", "2.00", "(2.00..2.00)"])
        self.assertTrue(lines[3].endswith("8 of 8"))


class Models(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.gguf = self.folder / "tiny.Q4_1.gguf"
        llama_gguf.make(self.gguf, kind="Q4_1", embedding="Q8_0")

    def test_the_form_of_genai_has_the_logits_of_the_model(self):
        ids, model = [1, 5, 9, 13, 2], self.folder / "model"
        command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", self.gguf, "-o", model]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        genai_model.write(model, self.folder / "genai", 1)
        session = onnxruntime.InferenceSession(str(self.folder / "genai/model.onnx"), providers=["CPUExecutionProvider"])
        feeds = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in session.get_inputs()[2:]}
        wanted = llama_gguf.forward(gguf.GGUFReader(self.gguf), ids)
        for start, stop in ((0, 3), (3, 4), (4, 5)):  # a prompt, then token by token
            feeds["input_ids"] = np.array([ids[start:stop]], np.int64)
            feeds["attention_mask"] = np.ones((1, stop), np.int64)
            logits, *presents = session.run(None, feeds)
            feeds.update(zip([i.name for i in session.get_inputs()[2:]], presents))
            self.assertEqual(logits.shape[:2], (1, 1))
            np.testing.assert_allclose(logits[0, 0], wanted[stop - 1], rtol=1e-3, atol=1e-3)

    def test_the_form_of_four_bits_is_near_the_model(self):
        ids, model = [1, 5, 9, 13, 2], self.folder / "model"
        command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", self.gguf, "-o", model]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        genai_model.write(model, self.folder / "genai", 1, four_bits=True)
        graph = onnx.load(self.folder / "genai/model.onnx", load_external_data=False).graph
        self.assertNotIn("MatMul", {node.op_type for node in graph.node})
        session = onnxruntime.InferenceSession(str(self.folder / "genai/model.onnx"), providers=["CPUExecutionProvider"])
        feeds = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in session.get_inputs()[2:]}
        feeds |= {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
        logits = session.run(["logits"], feeds)[0][0, 0]
        wanted = llama_gguf.forward(gguf.GGUFReader(self.gguf), ids)[-1]
        # Random weights of small width leave .38 of it; a wrong order of codes more than 1.
        self.assertLess(np.linalg.norm(logits - wanted), 0.5 * np.linalg.norm(wanted))

    def test_four_bits_are_as_near_as_their_steps(self):
        matrix = np.random.default_rng(3).normal(size=(7, 96)).astype(np.float32)
        matrix[2, 32:64] = 0
        codes, scales = genai_model.quantize(matrix)
        levels = np.stack([codes & 15, codes >> 4], axis=-1).reshape(7, 3, 32).astype(np.float32) - 8
        error = np.abs(levels * scales[..., None] - matrix.reshape(7, 3, 32))
        # Half a step, but a whole one at the end that has no level.
        self.assertTrue((error <= np.abs(scales[..., None]) * np.where(levels == 7, 1, 0.5) + 1e-6).all())

    def test_float_files_hold_what_the_source_holds(self):
        for kind, limit in (("f32", 0.0), ("f16", 1e-3)):
            path = gguf_files.ensure(self.gguf, kind, self.folder / "floats")
            reader, source = gguf.GGUFReader(path), gguf.GGUFReader(self.gguf)
            self.assertEqual([t.name for t in reader.tensors], [t.name for t in source.tensors])
            self.assertEqual(reader.fields["tokenizer.ggml.tokens"].contents(),
                             source.fields["tokenizer.ggml.tokens"].contents())
            for tensor, original in zip(reader.tensors, source.tensors):
                self.assertEqual(tensor.tensor_type.name, "F32" if tensor.data.ndim == 1 else kind.upper())
                np.testing.assert_allclose(llama_gguf.decoded(tensor), llama_gguf.decoded(original), rtol=limit, atol=limit)


class Pins(unittest.TestCase):
    def test_every_package_of_a_peer_is_pinned(self):
        pins = packages.pins(ROOT / "benchmarks/requirements.txt")
        wanted = {package for peer in PEERS.values() for package in peer.packages}
        self.assertEqual(wanted - pins.keys(), set())

    def test_what_is_not_pinned_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "requirements.txt")
            path.write_text("# note\none==1.0  # why\n\n")
            self.assertEqual(packages.pins(path), {"one": "1.0"})
            path.write_text("two>=2\n")
            with self.assertRaisesRegex(ValueError, "expected NAME==VERSION but got 'two>=2'"):
                packages.pins(path)


if __name__ == "__main__":
    unittest.main()
