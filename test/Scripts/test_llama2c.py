# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The converter of llama2.c files: every tensor against the file's own values,
logits against f64, the tokenizer, files that must be refused, and the models
that tell stories where they are."""
from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
from tokenizers import Tokenizer

import llama2c_file
from test_convert import ROOT, Runner, distance

CONVERT = ROOT / "scripts/convert/llama2c_to_onnx.py"
SHARED = ROOT.parent / "shared/models"
MODELS = Path(os.environ.get("LLMC_MODELS") or ROOT / "models")
STORIES = MODELS / "stories15M.bin", MODELS / "stories15M.tokenizer.bin"
LAYER = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm", "gate": "mlp.gate_proj", "up": "mlp.up_proj",
         "down": "mlp.down_proj", **{letter: f"self_attn.{letter}_proj" for letter in "qkvo"}}
OUTER = {"embedding": "model.embed_tokens.weight", "norm": "model.norm.weight", "head": "lm_head.weight"}
TEXT = ("Once upon a time, there was a little girl named Lily.\nShe loved 3 things:  her naïve cat, “tea” and the sea.\n\n"
        "One day the ball fell into the bath, and then Ben and the hen ran.")


def convert(model: Path, tokenizer: Path, folder: Path, *more: str):
    command = [sys.executable, CONVERT, model, "--tokenizer", tokenizer, "-o", folder, *more]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)


def check_tensors(test: unittest.TestCase, model: Path, folder: Path) -> None:
    numbers, source = llama2c_file.read(model)
    graph = onnx.load(folder / "model.onnx").graph
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer if t.external_data or t.dims}
    stored = {name: value for name, value in stored.items() if value.dtype == np.float32}
    size = numbers[0] // numbers[3]
    order = [*range(0, size, 2), *range(1, size, 2)]  # row 2i of a head comes to i, row 2i+1 to half + i
    for name, values in source.items():
        if name in OUTER:
            test.assertTrue(np.array_equal(stored.pop(OUTER[name]), values), name)
        elif name in ("cos", "sin"):
            test.assertLess(np.abs(stored.pop(f"model.rotary_emb.{name}_cache") - values).max(), 5e-5)
        else:
            for layer, value in enumerate(values):
                if name in "qk":
                    value = value.reshape(-1, size, value.shape[1])[:, order].reshape(value.shape)
                test.assertTrue(np.array_equal(stored.pop(f"model.layers.{layer}.{LAYER[name]}.weight"), value.T), name)
    test.assertEqual(list(stored), [])


class Synthetic(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.model, self.tokenizer, self.folder = self.home / "m.bin", self.home / "t.bin", self.home / "onnx"
        llama2c_file.make_tokenizer(self.tokenizer)

    def converted(self, **options):
        llama2c_file.make(self.model, **options)
        done = convert(self.model, self.tokenizer, self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_tensors_and_logits(self):
        ids = [1, 5, 260, 30, 2, 270, 17, 41, 8, 3, 279]
        for options in ({}, {"tied": False, "kv_heads": 4}, {"heads": 2, "kv_heads": 1}):
            with self.subTest(**options):
                llama2c_file.make(self.model, **options)
                done = convert(self.model, self.tokenizer, self.folder, "--force")
                self.assertEqual(done.returncode, 0, done.stderr)
                check_tensors(self, self.model, self.folder)
                onnx.checker.check_model(str(self.folder / "model.onnx"), full_check=True)
                want = llama2c_file.forward(self.model, ids)
                self.assertLess(distance(Runner(self.folder)(ids)[0], want), 1e-5)
                run = Runner(self.folder)
                parts = np.concatenate([run(ids[:4])[0], run(ids[4:5])[0], run(ids[5:])[0]])
                self.assertLess(distance(parts, want), 1e-5)

    def test_texts(self):
        self.converted()
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        for text in ("the bab and\nthen", " a  b", "éa xyz ~", ""):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            if text:
                self.assertEqual(ids, llama2c_file.encode(self.tokenizer, text), text)
            self.assertEqual(tokenizer.encode(text).ids, [1, *ids])
            self.assertEqual(tokenizer.decode(ids), text)
        config = json.loads((self.folder / "config.json").read_text())
        self.assertEqual((config["vocab_size"], config["bos_token_id"], config["max_position_embeddings"]),
                         (259 + len(llama2c_file.PIECES), 1, 64))
        self.assertEqual(json.loads((self.folder / "generation_config.json").read_text()),
                         {"bos_token_id": 1, "eos_token_id": [2, 1]})

    def test_same_bytes_again(self):
        self.converted()
        again = self.home / "again"
        self.assertEqual(convert(self.model, self.tokenizer, again).returncode, 0)
        for file in self.folder.iterdir():
            self.assertEqual(file.read_bytes(), (again / file.name).read_bytes(), file.name)

    def refused(self, words: str):
        done = convert(self.model, self.tokenizer, self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertTrue(done.stderr.startswith("error: "), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertFalse(self.folder.exists())
        self.assertEqual([p.name for p in self.home.iterdir() if p.name.startswith(".")], [])

    def test_refuses_other_sizes(self):
        llama2c_file.make(self.model)
        whole = self.model.read_bytes()
        for content, words in ((b"", "but got 0 bytes"), (whole[:-1], f"got {len(whole) - 1} bytes"), (whole[:-4], "numbers for this shape"),
                               (whole + bytes(4), "numbers for this shape")):
            self.model.write_bytes(content)
            self.refused(words)

    def test_refuses_numbers_out_of_range(self):
        llama2c_file.make(self.model)
        whole = self.model.read_bytes()
        for place, number, words in ((0, 0, "expected width from 1"), (2, -1, "expected layers from 1"), (5, 1 << 30, "expected vocabulary"),
                                     (3, 3, "heads that divide 32"), (4, 3, "a multiple of 3"), (1, 1 << 20, "numbers for this shape")):
            self.model.write_bytes(whole[:4 * place] + struct.pack("<i", number) + whole[4 * place + 4:])
            self.refused(words)

    def test_refuses_other_rotary_tables(self):
        llama2c_file.make(self.model, sin=np.zeros((64, 4)))
        self.refused("rotary tables of base 10000 but 'sin' differs")

    def test_refuses_not_a_number(self):
        llama2c_file.make(self.model, norm=np.full(32, np.nan))
        self.refused("finite numbers in 'model.norm.weight'")

    def test_refuses_other_tokenizers(self):
        llama2c_file.make(self.model)
        whole = self.tokenizer.read_bytes()
        at = 4 + 8  # length of token 0
        for content, words in ((b"", "tokens but got 0"), (whole[:-3], "bytes of token 279"), (whole + b"more", "4 bytes more"),
                               (whole[:at - 4] + struct.pack("<i", -5) + whole[at:], "bytes of token 0 but got -5"),
                               (whole[:4] + b"\0\0\xc0\x7f" + whole[8:], "a score of token 0")):
            self.tokenizer.write_bytes(content)
            self.refused(words)
        pieces = list(llama2c_file.PIECES)
        pieces[4] = pieces[3]
        llama2c_file.make_tokenizer(self.tokenizer, pieces)
        self.refused("different tokens")


class Stories(unittest.TestCase):
    def story(self, model: Path, tokenizer: Path, count: int) -> tuple[list[int], str]:
        """Converts, compares, and gives `count` greedy ids after the begin token and their text."""
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home) / "onnx"
            done = convert(model, tokenizer, folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            check_tensors(self, model, folder)
            text = Tokenizer.from_file(str(folder / "tokenizer.json"))
            ids = text.encode(TEXT, add_special_tokens=False).ids
            self.assertEqual(ids, llama2c_file.encode(tokenizer, TEXT))
            self.assertEqual(text.decode(ids), TEXT)
            self.assertLess(distance(Runner(folder)([1, *ids])[0], llama2c_file.forward(model, [1, *ids])), 1e-4)
            run, found, new = Runner(folder), [], 1
            while len(found) < count:
                new = int(run([new])[0, -1].argmax())
                found.append(new)
            return found, text.decode(found)

    @unittest.skipUnless(SHARED.is_dir(), "no shared/models beside this tree")
    def test_stories260K(self):
        golden = json.loads((SHARED / "stories260K/golden_greedy.json").read_text())["ids"]
        ids, _ = self.story(SHARED / "stories260K/stories260K.bin", SHARED / "stories260K/tok512.bin", len(golden) - 1)
        self.assertEqual([1, *ids], golden)

    @unittest.skipUnless(all(f.is_file() for f in STORIES), "stories15M has not been fetched")
    def test_stories15M(self):
        _, text = self.story(*STORIES, 20)
        self.assertTrue(text.startswith("Once upon a time, there was a little girl named Lily."), text)


if __name__ == "__main__":
    unittest.main()
