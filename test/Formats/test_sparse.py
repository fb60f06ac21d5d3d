# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats with a sparse part (`.spN`) in whole models: through the table, the tied
head and scales of columns, what it adds counts in the report and lowers the
divergence; files with columns that are not there are not opened."""
from __future__ import annotations

import json
import unittest

from whole_models import MODEL, RUN, WholeModels, llmc


class Sparse(WholeModels):
    common = "activations: i16, "

    def test_what_is_left_out_lowers_the_divergence(self):
        reference = self.bundle("f32", "")
        for method in ("rtn", "sinq"):
            with self.subTest(method):
                plain = self.evaluate(self.bundle("plain", f"method: {method}, format: u3g32"), reference)
                added = self.bundle("added", f"method: {method}, bits: 3, group: 32, sparse: 100")
                whole = self.evaluate(added, reference)
                self.assertLess(whole["kl_mean"]["value"], 0.7 * plain["kl_mean"]["value"])
        one, three = (self.evaluate(added, reference, "--threads", n)["kl_mean"] for n in (1, 3))
        self.assertEqual(one, three)

    def test_the_report_counts_all_bytes(self):
        report = json.loads((self.bundle("added", "method: rtn, format: i4g32.sp40") / "report.json").read_text(encoding="utf-8"))
        for tensor in report["tensors"]:
            if tensor["format"] == "f32":
                continue
            self.assertEqual(tensor["format"], "i4g32.sp40")
            self.assertAlmostEqual(tensor["bits"], 8 * tensor["bytes"] / tensor["weights"], places=3)
            self.assertRegex(tensor["note"], r"error \d+\.\d\d % before 40 of 1,000 weights got numbers of their own$")
            before = float(tensor["note"].split("error ")[1].split(" ")[0]) / 100
            self.assertLess(tensor["relative_error"], before)
        up = next(t for t in report["tensors"] if t["weights"] == 100 * 48)
        # Seven tiles of two groups, a unit each; then two numbers of four bytes in each of 16 rows.
        self.assertEqual(up["bytes"], 7 * 2 * (256 + 32) + 7 * 2 * 16 * 4)

    def test_other_tools_have_no_place_for_it(self):
        recipe = self.recipe("method: rtn, format: i4g32.sp5")
        text = llmc("compress", MODEL, "-o", self.out / "model.onnx", "--recipe", recipe, code=1)
        self.assertIn("format 'i4g32.sp5' adds numbers of their own to 5 of 1,000 weights, which ONNX has no place for; use i4g32", text)
        text = llmc("compress", MODEL, "-o", self.out / "model.gguf", "--recipe", recipe, code=1)
        self.assertIn("GGUF has no blocks of format 'i4g32.sp5'; use one of", text)

    def test_columns_that_are_not_there_are_not_read(self):
        bundle = self.bundle("added", "method: rtn, format: i4g32.sp40")
        good = llmc("generate", bundle, *RUN).splitlines()[0]
        weights, manifest = bundle / "weights.safetensors", bundle / "manifest.json"
        data = weights.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        tensors = json.loads(manifest.read_text(encoding="utf-8"))["weights"]["tensors"]
        sparse = {name: tensor["indices"] for name, tensor in tensors.items() if "indices" in tensor}
        self.assertGreater(len(sparse), 10)
        name, indices = next((n, i) for n, i in sparse.items() if "down_proj" in n)
        self.assertEqual((indices["limit"], indices["count"], indices["bytes"]), (100, 4 * 16, 2))
        # Of the rows that fill up the last tile, too.
        for block, place in ((0, 0), (indices["blocks"] - 1, indices["count"] - 1)):
            at = start + indices["begin"] + block * indices["distance"] + 2 * place
            weights.write_bytes(data[:at] + (100).to_bytes(2, "little") + data[at + 2:])
            text = llmc("generate", bundle, *RUN, "--no-verify", code=1)
            self.assertIn(f"weight '{name}' has a number for column 100, expected one below 100; the bundle is damaged", text)
            weights.write_bytes(data[:at] + (99).to_bytes(2, "little") + data[at + 2:])
            llmc("generate", bundle, *RUN, "--no-verify")
            self.assertIn(name, llmc("generate", bundle, *RUN, code=1))
        weights.write_bytes(data)
        self.assertEqual(llmc("generate", bundle, *RUN).splitlines()[0], good)

    def test_a_manifest_that_lies_about_their_place_is_refused(self):
        bundle = self.bundle("added", "method: rtn, format: i4g32.sp40")
        manifest = bundle / "manifest.json"
        whole = json.loads(manifest.read_text(encoding="utf-8"))
        whole.pop("xxh3")
        name = next(n for n, t in whole["weights"]["tensors"].items() if "indices" in t)
        big = 1 << 62
        for change, expected in (({"begin": big}, "has indices outside of the"), ({"blocks": big}, "has indices outside of the"),
                                 ({"distance": big, "blocks": 3}, "has indices outside of the"), ({"count": big}, "has indices outside of the"),
                                 ({"bytes": 3}, "indices.bytes to be 2 or 4"), ({"limit": 0}, "indices.limit"), ({"begin": -1}, "indices.begin"),
                                 ({"limit": 1}, "has a number for column")):
            edited = json.loads(json.dumps(whole))
            edited["weights"]["tensors"][name]["indices"].update(change)
            manifest.write_text(json.dumps(edited), encoding="utf-8")
            with self.subTest(change):
                self.assertIn(expected, llmc("generate", bundle, *RUN, code=1))


if __name__ == "__main__":
    unittest.main()
