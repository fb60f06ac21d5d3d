# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats with a rank (`.lrN`) in whole models: two bits lose nearly everything of
a small random model, and a rank as large as its matrices brings it back, through
the table, the tied head, and scales of columns before products."""
from __future__ import annotations

import json
import unittest

from whole_models import MODEL, WholeModels, llmc


class LowRank(WholeModels):
    common = "activations: i16, "

    def test_a_whole_rank_undoes_rounding(self):
        reference = self.bundle("f32", "")
        for method in ("rtn", "sinq"):
            with self.subTest(method):
                plain = self.evaluate(self.bundle("plain", f"method: {method}, format: u2g32"), reference)
                added = self.bundle("added", f"method: {method}, bits: 2, group: 32, rank: 48")
                whole = self.evaluate(added, reference)
                # What is left is the rounding of the two matrices, to eight bits.
                self.assertLess(whole["kl_mean"]["value"], plain["kl_mean"]["value"] / 1000)
        one, three = (self.evaluate(added, reference, "--threads", n)["kl_mean"] for n in (1, 3))
        self.assertEqual(one, three)

    def test_the_report_counts_all_bytes(self):
        report = json.loads((self.bundle("added", "method: rtn, format: i4g32.lr8") / "report.json").read_text(encoding="utf-8"))
        for tensor in report["tensors"]:
            if tensor["format"] == "f32":
                continue
            self.assertEqual(tensor["format"], "i4g32.lr8")
            self.assertAlmostEqual(tensor["bits"], 8 * tensor["bytes"] / tensor["weights"], places=3)
            self.assertRegex(tensor["note"], r"error \d+\.\d\d % before rank 8 was added in \d+\.\d\d s$")
            before = float(tensor["note"].split("error ")[1].split(" ")[0]) / 100
            self.assertLess(tensor["relative_error"], before)
        up = next(t for t in report["tensors"] if t["weights"] == 100 * 48)
        # Seven tiles of two groups, a unit each, then 48 rows of 8 and 112 rows of 8.
        self.assertEqual(up["bytes"], 7 * 2 * (256 + 32) + 2 * 8 * (48 + 112))

    def test_other_tools_have_no_place_for_it(self):
        recipe = self.recipe("method: rtn, format: i4g32.lr8")
        text = llmc("compress", MODEL, "-o", self.out / "model.onnx", "--recipe", recipe, code=1)
        self.assertIn("format 'i4g32.lr8' adds a product of rank 8 to its codes, which ONNX has no place for; use i4g32", text)
        text = llmc("compress", MODEL, "-o", self.out / "model.gguf", "--recipe", recipe, code=1)
        self.assertIn("GGUF has no blocks of format 'i4g32.lr8'; use one of", text)

    def test_a_changed_byte_is_found(self):
        bundle = self.bundle("added", "method: rtn, format: i4g32.lr8")
        run = ["generate", bundle, "--ids", "1,5,7", "--max-tokens", "2"]
        llmc(*run)
        data = bytearray((bundle / "weights.safetensors").read_bytes())
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + length])
        name = next(name for name, tensor in header.items() if name != "__metadata__" and len(tensor["shape"]) == 1
                    and tensor["dtype"] == "U8" and "up_proj" in name)
        # The last byte of a tensor is one of the matrices that are added, or fills up.
        data[8 + length + header[name]["data_offsets"][1] - 8 * 16 * 2 + 1] ^= 1
        (bundle / "weights.safetensors").write_bytes(data)
        self.assertIn(name, llmc(*run, code=1))


if __name__ == "__main__":
    unittest.main()
