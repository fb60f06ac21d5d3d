# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The converter on SmolLM2-135M-Instruct, where scripts/fetch_model.py has
fetched it: every tensor, logits against f64, and the answer to a question."""
from __future__ import annotations

import json
import os
import tempfile
import unittest
from pathlib import Path

import gguf
import jinja2
import numpy as np
from tokenizers import Tokenizer

import llama_gguf
from test_convert import ROOT, Runner, check_blocks, check_tensors, convert, distance

MODEL = Path(os.environ.get("LLMC_MODELS") or ROOT / "models") / "SmolLM2-135M-Instruct.Q4_1.gguf"
COUNT = 64 if os.environ.get("LLMC_FULL") else 16  # positions compared with f64
QUESTION = "What is the capital of France?"
TEXT = ("Everyone is permitted to copy and distribute verbatim copies of this license document, but changing it is not allowed. "
        "When we speak of free software, we are referring to freedom, not price: 1,234.5 Euros — naïve café!")


@unittest.skipUnless(MODEL.is_file(), "SmolLM2 has not been fetched")
class SmolLM2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        cls.folder = Path(cls.home.name) / "onnx"
        done = convert(MODEL, cls.folder)
        assert done.returncode == 0, done.stderr
        cls.tokenizer = Tokenizer.from_file(str(cls.folder / "tokenizer.json"))

    def test_tensors(self):
        check_tensors(self, MODEL, self.folder)

    def test_kept_blocks(self):
        folder = Path(self.home.name) / "blocks"
        done = convert(MODEL, folder, "--keep-blocks")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(check_blocks(self, folder, self.folder), 211)
        self.assertLess((folder / "model.onnx.data").stat().st_size, 100 << 20)

    def test_logits(self):
        ids = self.tokenizer.encode(TEXT, add_special_tokens=False).ids[:COUNT]
        want = llama_gguf.forward(gguf.GGUFReader(MODEL), ids)
        self.assertLess(distance(Runner(self.folder)(ids)[0], want), 1e-4)

    def test_text_comes_back(self):
        ids = self.tokenizer.encode(TEXT, add_special_tokens=False).ids
        self.assertEqual(self.tokenizer.decode(ids), TEXT)
        digits = self.tokenizer.encode("1234", add_special_tokens=False)
        self.assertEqual(digits.tokens, list("1234"))

    def test_answer(self):
        settings = json.loads((self.folder / "tokenizer_config.json").read_text())
        end = json.loads((self.folder / "generation_config.json").read_text())["eos_token_id"]
        prompt = jinja2.Template(settings["chat_template"]).render(
            messages=[{"role": "user", "content": QUESTION}], add_generation_prompt=True)
        run, ids = Runner(self.folder), []
        new = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        while len(ids) < 20 and end not in ids:
            new = [int(run(new)[0, -1].argmax())]
            ids += new
        self.assertEqual(self.tokenizer.decode(ids), "The capital of France is Paris.")


if __name__ == "__main__":
    unittest.main()
