# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""One changed byte in a file of a bundle: a clear error that names the file or the weight, or exactly the right
output, and no option is needed for that.

Places follow from a seed that is printed; $LLMC_FUZZ_SEED and $LLMC_FUZZ_ROUNDS choose others."""
from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

from hostile import LLMC, MODELS, HostileCase, run

SEED = int(os.environ.get("LLMC_FUZZ_SEED", "20260101"))
ROUNDS = int(os.environ.get("LLMC_FUZZ_ROUNDS", "24"))
MODEL = MODELS / "llama/optimum"
TEXTS = ["chat_template.jinja", "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
# Nothing that runs a bundle reads these.
UNREAD = ["model.h", "report.html", "report.json"]
CHAT = ["generate", "--chat", "--prompt", "one two", "--max-tokens", "3", "--threads", "2", "-q"]


class Bytes(HostileCase):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}, {ROUNDS} places of each file", file=sys.stderr)
        cls.bundles = Path(tempfile.mkdtemp(prefix="llmc-bytes-"))
        cls.addClassCleanup(shutil.rmtree, cls.bundles)
        for recipe in ("f32", "w4"):
            subprocess.run([LLMC, "compile", MODEL, "-o", cls.bundles / recipe, "--recipe", recipe, "-q"], check=True)

    def bundle(self, recipe: str) -> Path:
        return Path(shutil.copytree(self.bundles / recipe, self.folder / recipe))

    def output(self, bundle: Path, command: list[str]):
        """How it ended, and all that came out."""
        shutil.rmtree(self.out, ignore_errors=True)
        outcome = run(command[0], bundle, *command[1:])
        arrays = {path.name: path.read_bytes() for path in self.out.glob("*.npy")}
        return outcome, (outcome.out, arrays)

    def changed(self, bundle: Path, name: str, command: list[str], refused: bool | None = None) -> int:
        """Changes bytes of a file, one at a time; all must be refused, or none may be, where `refused` says so. How many were."""
        path = bundle / name
        whole, count = path.read_bytes(), 0
        outcome, good = self.output(bundle, command)
        self.assertEqual(outcome.code, 0, outcome)
        dice = random.Random(f"{SEED} {bundle.name} {name} {command[0]}")
        places = {0, 1, len(whole) // 2, len(whole) - 2, len(whole) - 1, *(dice.randrange(len(whole)) for _ in range(ROUNDS))}
        for place in sorted(places):
            byte = whole[place] ^ dice.choice((1 << dice.randrange(8), dice.randrange(1, 256)))
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1:])
            what = f"byte {place} of {name} from {whole[place]} to {byte}"
            outcome, got = self.output(bundle, command)
            if outcome.code == 0 and not refused:
                self.assertEqual(got, good, what)
                continue
            self.assertNotEqual(refused, False, f"{what}: {outcome}")
            self.assertEqual(outcome.code, 1, f"{what}: {outcome}")
            self.assertEqual(len(outcome.errors), 1, f"{what}: {outcome}")
            self.assertEqual(got, ("", {}), what)
            self.assertTrue(name in outcome.err or (name == "weights.safetensors" and "weight '" in outcome.err), f"{what}: {outcome}")
            count += 1
        path.write_bytes(whole)
        return count

    def check_all(self, bundle: Path, command: list[str]):
        names = sorted(path.name for path in bundle.iterdir())
        self.assertEqual(names, sorted(["manifest.json", "model.so", "weights.safetensors", *TEXTS, *UNREAD]))
        for name in ["model.so", *TEXTS]:
            self.changed(bundle, name, command, refused=True)
        for name in UNREAD:
            self.changed(bundle, name, command, refused=False)
        # Only the name of its own hash may change, and spaces of the header and what fills up behind a weight.
        self.assertGreaterEqual(self.changed(bundle, "manifest.json", command), ROUNDS - 2)
        self.assertGreater(self.changed(bundle, "weights.safetensors", command), ROUNDS // 2)

    def test_texts_generated(self):
        self.check_all(self.bundle("w4"), CHAT)

    def test_arrays_computed(self):
        bundle = self.bundle("f32")
        main = next(entry for entry in json.loads((bundle / "manifest.json").read_text("utf-8"))["entries"] if entry["name"] == "main")
        dice, extents = np.random.default_rng(SEED), {"batch_size": 2, "sequence_length": 3, "past_sequence_length": 1,
                                                     "past_sequence_length + sequence_length": 4}
        arrays = {}
        for tensor in main["inputs"]:
            shape = [extents.get(extent, extent) for extent in tensor["shape"]]
            arrays[tensor["name"]] = (dice.integers(1, 9, shape) if tensor["name"] == "input_ids" else np.ones(shape)).astype(
                {"i64": np.int64, "f32": np.float32}[tensor["dtype"]])
        np.savez(self.folder / "inputs.npz", **arrays)
        self.check_all(bundle, ["run", "--input", str(self.folder / "inputs.npz"), "--output-dir", str(self.out), "--threads", "2"])

    def test_every_verb_looks(self):
        bundle = self.bundle("f32")
        manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
        self.assertEqual(sorted(file["file"] for file in manifest["files"]), TEXTS)
        weights = bundle / "weights.safetensors"
        whole = weights.read_bytes()
        header = json.loads(whole[8:8 + int.from_bytes(whole[:8], "little")])
        name = max(manifest["weights"]["tensors"], key=lambda name: header[name]["data_offsets"][1])
        last = 8 + int.from_bytes(whole[:8], "little") + header[name]["data_offsets"][1] - 1
        weights.write_bytes(whole[:last] + bytes([whole[last] ^ 1]) + whole[last + 1:])
        text = self.write("text.txt", "one two three " * 40)
        eval_it = ["--text", text, "--context", "16", "--max-tokens", "32"]
        good = self.bundles / "f32"
        for verb, options in (("generate", ["--ids", "1", "--max-tokens", "2"]), ("chat", []), ("eval", eval_it),
                              ("bench", ["--repetitions", "1", "--prompt-tokens", "4", "--decode-tokens", "2"])):
            with self.subTest(verb):
                self.refused(run(verb, bundle, *options, stdin=b"one\n"), f"weight '{name}' has the hash ", "the bundle is damaged")
                done = run(verb, bundle, *options, "--no-verify", stdin=b"one\n")
                self.assertEqual(done.code, 0, done)
        self.refused(run("eval", good, *eval_it, "--against", bundle), f"weight '{name}' has the hash ")

    def test_edited_texts_are_taken_when_asked(self):
        bundle = self.bundle("f32")
        template = bundle / "chat_template.jinja"
        template.write_text(template.read_text("utf-8") + "{# mine #}", "utf-8")
        self.refused(run(CHAT[0], bundle, *CHAT[1:]), "chat_template.jinja", "--no-verify")
        done = run(CHAT[0], bundle, *CHAT[1:], "--no-verify")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.out, run(CHAT[0], self.bundles / "f32", *CHAT[1:]).out)


if __name__ == "__main__":
    unittest.main()
