# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats with an order of columns (`.p`) in whole models: through the table, the
tied head and scales of columns they compute what the same codes without an order
do; files whose order has a column twice are not opened."""
from __future__ import annotations

import json
import unittest

from whole_models import MODEL, RUN, WholeModels, llmc


class Permute(WholeModels):
    def test_nothing_but_rounding_changes(self):
        # In whole rows, the order of columns does not change what codes say.
        for method in ("rtn", "sinq"):
            with self.subTest(method):
                plain = self.bundle("plain", f"method: {method}, format: u8row.f32, activations: f32")
                other = self.bundle("other", f"method: {method}, format: u8row.f32, permute: true, activations: f32")
                self.assertLess(self.evaluate(other, plain)["kl_mean"]["value"], 1e-9)
                self.assertNotIn("indices", (plain / "manifest.json").read_text(encoding="utf-8"))
        reference = self.bundle("f32", "")
        one, three = (self.evaluate(other, reference, "--threads", n)["kl_mean"] for n in (1, 3))
        self.assertEqual(one, three)

    def test_the_report_counts_all_bytes(self):
        report = json.loads((self.bundle("other", "method: rtn, format: i4g32.p") / "report.json").read_text(encoding="utf-8"))
        for tensor in report["tensors"]:
            if tensor["format"] != "f32":
                self.assertEqual(tensor["format"], "i4g32.p")
                self.assertAlmostEqual(tensor["bits"], 8 * tensor["bytes"] / tensor["weights"], places=3)
        up = next(t for t in report["tensors"] if t["weights"] == 100 * 48)
        # Seven tiles of two groups, a unit each; then two bytes for each column, to whole lines.
        self.assertEqual(up["bytes"], 7 * 2 * (256 + 32) + 128)

    def test_other_tools_have_no_place_for_it(self):
        recipe = self.recipe("method: rtn, format: i4g32.p")
        text = llmc("compress", MODEL, "-o", self.out / "model.onnx", "--recipe", recipe, code=1)
        self.assertIn("format 'i4g32.p' orders columns, which no operator of ONNX undoes; use 'i4g32'", text)
        text = llmc("compress", MODEL, "-o", self.out / "model.gguf", "--recipe", recipe, code=1)
        self.assertIn("format 'i4g32.p' orders columns, which blocks of GGUF do not say; use 'i4g32'", text)

    def test_a_column_that_is_there_twice_is_found(self):
        bundle = self.bundle("other", "method: rtn, format: i4g32.p")
        good = llmc("generate", bundle, *RUN).splitlines()[0]
        weights, manifest = bundle / "weights.safetensors", bundle / "manifest.json"
        data = weights.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        whole = json.loads(manifest.read_text(encoding="utf-8"))
        orders = {name: tensor["indices"] for name, tensor in whole["weights"]["tensors"].items() if "indices" in tensor}
        self.assertGreater(len(orders), 10)
        name, indices = next((n, i) for n, i in orders.items() if "down_proj" in n)
        self.assertEqual((indices["limit"], indices["count"], indices["once"]), (100, 100, True))
        at = start + indices["begin"]
        stored = [int.from_bytes(data[at + 2 * i:at + 2 * i + 2], "little") for i in range(100)]
        self.assertEqual(sorted(stored), list(range(100)))
        self.assertNotEqual(stored, list(range(100)))
        for column, expected in ((stored[1], f"has column {stored[1]} twice in its order; the bundle is damaged"),
                                 (100, "has a number for column 100, expected one below 100; the bundle is damaged")):
            weights.write_bytes(data[:at] + column.to_bytes(2, "little") + data[at + 2:])
            self.assertIn(f"weight '{name}' {expected}", llmc("generate", bundle, *RUN, "--no-verify", code=1))
        weights.write_bytes(data)
        self.assertEqual(llmc("generate", bundle, *RUN).splitlines()[0], good)
        whole.pop("xxh3")
        whole["weights"]["tensors"][name]["indices"]["limit"] = 101
        manifest.write_text(json.dumps(whole), encoding="utf-8")
        self.assertIn("indices.count to be 'limit' where each is there once", llmc("generate", bundle, *RUN, code=1))


if __name__ == "__main__":
    unittest.main()
