# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""scripts/convert: every tensor against the GGUF's own values, logits against
a Llama in f64, the tokenizer, and files that must be refused."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import gguf
import jinja2
import numpy as np
import onnx
import onnxruntime
from tokenizers import Tokenizer

import llama_gguf

ROOT = Path(__file__).resolve().parents[2]
CONVERT = ROOT / "scripts/convert/gguf_to_onnx.py"
PARTS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}


def convert(model: Path, folder: Path, *more: str):
    command = [sys.executable, CONVERT, model, "-o", folder, *more]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)


def check_tensors(test: unittest.TestCase, model: Path, folder: Path) -> None:
    """Every tensor of the GGUF lies bit for bit in the ONNX data file."""
    reader = gguf.GGUFReader(model)
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    stored = {}
    for tensor in graph.initializer:
        place = {e.key: e.value for e in tensor.external_data}
        if place:
            test.assertEqual(int(place["offset"]) % 4096, 0, tensor.name)
            stored[tensor.name] = np.memmap(folder / place["location"], "<f4", "r", int(place["offset"]), tuple(tensor.dims))
    heads = {"attn_q": reader.fields["llama.attention.head_count"].contents(),
             "attn_k": reader.fields["llama.attention.head_count_kv"].contents()}
    outer = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
             "output.weight": "lm_head.weight"}
    for tensor in reader.tensors:
        value, name = llama_gguf.decoded(tensor), outer.get(tensor.name)
        if name is None:
            _, layer, part, what = tensor.name.split(".")
            name = f"model.layers.{layer}.{PARTS[part]}.{what}"
            if part in heads:  # row 2i of a head comes to i, row 2i+1 to half + i
                size = len(value) // heads[part]
                order = [head * size + i for head in range(heads[part]) for i in [*range(0, size, 2), *range(1, size, 2)]]
                value = value[order]
            if value.ndim == 2:
                value = value.T
        test.assertTrue(np.array_equal(stored.pop(name), value), name)
    test.assertEqual(sorted(stored), ["model.rotary_emb.cos_cache", "model.rotary_emb.sin_cache"])


def check_blocks(test: unittest.TestCase, folder: Path, plain: Path) -> int:
    """Matrices in blocks decode to what the plain folder holds; the rest is the
    same. Returns how many are in blocks."""
    def read(where: Path):
        graph, found = onnx.load(where / "model.onnx", load_external_data=False).graph, {}
        for tensor in graph.initializer:
            place = {e.key: e.value for e in tensor.external_data}
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            found[tensor.name] = (np.memmap(where / place["location"], dtype, "r", int(place["offset"]), tuple(tensor.dims))
                                  if place else onnx.numpy_helper.to_array(tensor))
        return graph, found

    graph, got = read(folder)
    _, want = read(plain)
    nodes = [n for n in graph.node if n.op_type == "DequantizeBlocks"]
    for node in nodes:
        test.assertEqual(node.domain, "ai.llmc")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        kind = gguf.GGMLQuantizationType[attributes["type"].decode().upper()]
        values = gguf.quants.dequantize(got.pop(node.input[0]), kind).astype(np.float32)
        test.assertEqual(list(values.shape), attributes["shape"])
        name = node.output[0]
        test.assertEqual(node.input[0], f"{name}_blocks")
        test.assertTrue(np.array_equal(values, want.pop(name).T if "_proj" in name else want.pop(name)), name)
    test.assertEqual(got.keys(), want.keys())
    for name, value in got.items():
        test.assertTrue(np.array_equal(value, want[name]), name)
    return len(nodes)


def session(folder: Path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])


class Runner:
    """Feeds ONNX Runtime and carries the cache from call to call."""

    def __init__(self, folder: Path, batch: int = 1):
        self.session = session(folder)
        self.names = [o.name for o in self.session.get_outputs()]
        self.past = {i.name: np.zeros((batch, i.shape[1], 0, i.shape[3]), np.float32)
                     for i in self.session.get_inputs() if i.name.startswith("past")}
        self.mask = np.zeros((batch, 0), np.int64)

    def __call__(self, ids, mask=None, positions=None) -> np.ndarray:
        ids, start = np.atleast_2d(ids), self.mask.shape[1]
        self.mask = np.concatenate([self.mask, np.ones_like(ids) if mask is None else mask], 1)
        if positions is None:
            positions = np.broadcast_to(np.arange(start, start + ids.shape[1]), ids.shape)
        feed = {"input_ids": ids, "attention_mask": self.mask, "position_ids": positions, **self.past}
        found = dict(zip(self.names, self.session.run(None, feed)))
        self.past = {name: found[name.replace("past_key_values", "present")] for name in self.past}
        return found["logits"]


def distance(got, want) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


class Synthetic(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.model, self.folder = self.home / "m.gguf", self.home / "onnx"

    def converted(self, **options):
        llama_gguf.make(self.model, **options)
        done = convert(self.model, self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def check_logits(self):
        ids = [1, 5, 9, 30, 2, 2, 17, 41, 8, 3, 33]
        want = llama_gguf.forward(gguf.GGUFReader(self.model), ids)
        onnx.checker.check_model(str(self.folder / "model.onnx"), full_check=True)
        whole = Runner(self.folder)(ids)[0]
        self.assertLess(distance(whole, want), 1e-5)
        cached, rows = Runner(self.folder), []
        for part in (ids[:4], ids[4:5], ids[5:8], ids[8:9], ids[9:]):
            rows.append(cached(part)[0])
        self.assertLess(distance(np.concatenate(rows), want), 1e-5)

    def test_tied_grouped_heads(self):
        self.converted()
        check_tensors(self, self.model, self.folder)
        self.check_logits()

    def test_untied_with_biases_in_f16(self):
        self.converted(kind="F16", embedding="F16", tied=False, bias=True, heads=8, kv_heads=8)
        check_tensors(self, self.model, self.folder)
        self.check_logits()

    def test_blocks(self):
        self.converted(kind="Q4_1", embedding="Q8_0", heads=2, kv_heads=1)
        check_tensors(self, self.model, self.folder)
        self.check_logits()

    def test_symmetric_blocks(self):
        self.converted(kind="Q4_0", embedding="Q8_0", tied=False)
        check_tensors(self, self.model, self.folder)
        self.check_logits()

    def test_kept_blocks(self):
        for kind, embedding, kept in (("Q4_1", "Q8_0", 15), ("Q5_0", "F16", 14), ("Q8_0", "Q5_1", 15), ("F16", "F32", 0)):
            with self.subTest(kind):
                self.converted(kind=kind, embedding=embedding, heads=2, kv_heads=1)
                folder = self.home / f"{kind}-blocks"
                done = convert(self.model, folder, "--keep-blocks")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(check_blocks(self, folder, self.folder), kept)
                shutil.rmtree(self.folder)

    def test_padded_rows_change_nothing(self):
        self.converted()
        alone = Runner(self.folder)([5, 6, 7])[0]
        padded = Runner(self.folder, 2)([[0, 0, 5, 6, 7], [1, 2, 3, 4, 5]], np.array([[0, 0, 1, 1, 1], [1] * 5]),
                                        np.array([[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]))
        self.assertTrue(np.isfinite(padded).all())
        self.assertLess(distance(padded[0, 2:], alone), 1e-5)

    def test_rotary_factors(self):
        factors = np.array([1, 1, 2, 4, 8, 8, 8, 8], np.float32)
        self.converted(tensors=[("rope_freqs.weight", factors)])
        graph = onnx.load(self.folder / "model.onnx").graph
        table = next(onnx.numpy_helper.to_array(i) for i in graph.initializer if i.name == "model.rotary_emb.sin_cache")
        angles = 100 * 10000.0 ** (-np.arange(0, 16, 2) / 16) / factors
        self.assertLess(np.abs(table[100] - np.sin(angles)).max(), 1e-6)

    def test_texts(self):
        self.converted()
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        ids = tokenizer.encode("<|start|>and the in", add_special_tokens=False).ids
        self.assertEqual([llama_gguf.WORDS[i] for i in ids], ["<|start|>", "and", "Ġthe", "Ġ", "in"])
        self.assertEqual(tokenizer.decode(ids), "and the in")
        config = json.loads((self.folder / "config.json").read_text())
        self.assertEqual((config["vocab_size"], config["eos_token_id"], config["head_dim"]), (48, 0, 16))
        self.assertEqual(json.loads((self.folder / "generation_config.json").read_text()),
                         {"bos_token_id": 1, "eos_token_id": 0})
        settings = json.loads((self.folder / "tokenizer_config.json").read_text())
        chat = jinja2.Template(settings["chat_template"]).render(messages=[{"content": "in"}])
        self.assertEqual(chat, "<|start|>in<|end|>")

    def test_same_bytes_again(self):
        self.converted()
        again = self.home / "again"
        self.assertEqual(convert(self.model, again).returncode, 0)
        for file in self.folder.iterdir():
            self.assertEqual(file.read_bytes(), (again / file.name).read_bytes(), file.name)

    def test_existing_folder_is_kept(self):
        llama_gguf.make(self.model)
        self.folder.mkdir()
        (self.folder / "mine").write_text("x")
        self.refused("--force replaces it", keep=True)
        self.assertEqual((self.folder / "mine").read_text(), "x")
        self.assertEqual(convert(self.model, self.folder, "--force").returncode, 0)
        self.assertFalse((self.folder / "mine").exists())

    def refused(self, words: str, keep: bool = False):
        done = convert(self.model, self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stderr.startswith("error: "), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(self.folder.exists(), keep)
        self.assertEqual([p.name for p in self.home.iterdir() if p.name.startswith(".")], [])

    def test_refuses_cut_files(self):
        llama_gguf.make(self.model)
        whole = self.model.read_bytes()
        for length in (0, 3, 8, 24, 200, len(whole) // 2, len(whole) - 1):
            with self.subTest(length=length):
                self.model.write_bytes(whole[:length])
                self.refused("expected a GGUF file")

    def test_refuses_other_files(self):
        self.model.write_bytes(bytes(range(256)) * 8)
        self.refused("expected a GGUF file")

    def test_refuses_unknown_tensor(self):
        llama_gguf.make(self.model, tensors=[("blk.0.ffn_gate_exps.weight", np.zeros((4, 32), np.float32))])
        self.refused("'blk.0.ffn_gate_exps.weight'")

    def test_refuses_wrong_shape(self):
        llama_gguf.make(self.model, tensors=[("blk.1.attn_k.weight", np.zeros((64, 64), np.float32))])
        self.refused("'model.layers.1.self_attn.k_proj.weight' of shape [32, 64] but got [64, 64]")

    def test_refuses_numbers_out_of_range(self):
        llama_gguf.make(self.model, fields=[("block_count", 4000000000)])
        self.refused("'llama.block_count' from 1 to 1000 but got 4000000000")

    def test_refuses_missing_layer(self):
        llama_gguf.make(self.model, fields=[("block_count", 3)])
        self.refused("expected a tensor for 'model.layers.2.input_layernorm.weight' but got none")

    def test_refuses_not_a_number(self):
        llama_gguf.make(self.model, tensors=[("output_norm.weight", np.full(64, np.nan, np.float32))])
        self.refused("finite numbers in 'model.norm.weight'")

    def test_refuses_unknown_rotary_scaling(self):
        llama_gguf.make(self.model, fields=[("llama.rope.scaling.type", "yarn")])
        self.refused("rotary scaling 'none' or 'linear' but got 'yarn'")


if __name__ == "__main__":
    unittest.main()
