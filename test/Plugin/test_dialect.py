# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An op of a plugin's own dialect: from the model, by every slot it may be lowered in, to the numbers of the bundle."""
from __future__ import annotations

import json
import sys
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from installed import ROOT, Installed

BLOCKS, WIDTH, INNER = 3, 12, 20
LEFT_OVER = (r"llmc: error: node 'act0': 'testing_ops\.snake' op of plugin '\S*/dialect\.so' is left behind slot before-lower, and code is made of "
             r"ops of llmc alone; have a pass of the plugin replace it by nn ops in that slot or before \(PluginContent::join\)")


class OwnDialect(Installed):
    flags = ["-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", f"-DPython3_EXECUTABLE={sys.executable}"]
    limit = 500

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plugin = cls.build(ROOT / "test/Plugin/dialect", "dialect")

    def save(self, **attributes) -> tuple[Path, list[tuple[np.ndarray, np.ndarray]]]:
        """Equal blocks x + snake(x A) B, and their weights."""
        rng = np.random.default_rng(7)
        nodes, stored, weights, x = [], [], [], "x"
        for i in range(BLOCKS):
            a, b = (rng.standard_normal(shape).astype(np.float32) / 4 for shape in ((WIDTH, INNER), (INNER, WIDTH)))
            weights.append((a, b))
            stored += [numpy_helper.from_array(a, f"a{i}"), numpy_helper.from_array(b, f"b{i}")]
            y = "y" if i + 1 == BLOCKS else f"x{i}"
            nodes += [helper.make_node("MatMul", [x, f"a{i}"], [f"h{i}"]),
                      helper.make_node("Snake", [f"h{i}"], [f"s{i}"], name=f"act{i}", domain="testing.ops", **attributes),
                      helper.make_node("MatMul", [f"s{i}", f"b{i}"], [f"r{i}"]), helper.make_node("Add", [x, f"r{i}"], [y])]
            x = y
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xy"]
        path = self.folder / "snake.onnx"
        onnx.save(helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], stored), ir_version=10, opset_imports=[
            helper.make_opsetid("", 18), helper.make_opsetid("testing.ops", 1)]), path)
        return path, weights

    @staticmethod
    def reference(x: np.ndarray, weights: list[tuple[np.ndarray, np.ndarray]], alpha: float) -> np.ndarray:
        y = x.astype(np.float64)
        for a, b in weights:
            h = y @ a
            y = y + (h + np.sin(alpha * h) ** 2 / alpha) @ b
        return y

    def compile(self, model: Path, slot: str, *options, output: str = "bundle", code: int = 0) -> str:
        return self.run_llmc("compile", model, "-o", output, "--plugin", self.plugin, *options, code=code, LLMC_TEST_SLOT=slot)

    def test_every_slot_gives_the_numbers(self):
        x = (2 * np.random.default_rng(8).standard_normal((5, WIDTH))).astype(np.float32)
        np.save(self.folder / "x.npy", x)
        for slot, attributes in (("after-import", {"alpha": 0.75}), ("after-fuse", {}), ("compress", {"alpha": 2.5}), ("before-lower", {"alpha": 1.25})):
            with self.subTest(slot):
                model, weights = self.save(**attributes)
                said = self.compile(model, slot)
                self.assertRegex(said, rf"{slot}: pass testing-lower-snake of '\S*/dialect\.so'")
                self.run_llmc("run", "bundle", "--input", "x=x.npy", "--output-dir", "out")
                want = self.reference(x, weights, attributes.get("alpha", 1.0))
                np.testing.assert_allclose(np.load(self.folder / "out/y.npy"), want, rtol=2e-5, atol=2e-5)

    def test_ops_live_until_they_are_lowered(self):
        model, _ = self.save()
        for slot, left in (("after-import", 0), ("after-fuse", 0), ("compress", BLOCKS), ("before-lower", BLOCKS)):
            with self.subTest(slot):
                self.compile(model, slot, "--emit", "nn", output="model.mlir")
                text = (self.folder / "model.mlir").read_text()
                self.assertEqual(text.count("testing_ops.snake"), left)
                self.assertEqual(text.count("nn.sin "), BLOCKS - left)

    def test_what_is_left_over_is_refused(self):
        model, _ = self.save()
        for slot in ("", "before-codegen"):
            said = self.compile(model, slot, output="none", code=1)
            self.assertRegex(said, LEFT_OVER)
            self.assertEqual(said.count("error:"), 1, said)
            self.assertFalse((self.folder / "none").exists())

    def test_operators_are_read_with_a_reason(self):
        model, _ = self.save(alpha=-1.0)
        said = self.compile(model, "after-fuse", output="none", code=1)
        self.assertIn("node 'act0' (Snake, testing.ops opset 1): ", said)
        self.assertIn("expected an 'alpha' above 0", said)

    def test_check_and_info_know_the_dialect(self):
        report = json.loads(self.run_llmc("plugin", "check", self.plugin, "--json", LLMC_TEST_SLOT="after-fuse"))
        self.assertTrue(report["passed"])
        self.assertLessEqual({"testing-lower-snake", "after-fuse", "testing_ops", "testing.ops.Snake"}, {check["method"] for check in report["checks"]})
        model, _ = self.save()
        counted = json.loads(self.run_llmc("info", model, "--json", "--plugin", self.plugin))["operators"]
        self.assertIn("testing_ops.snake", json.dumps(counted))


if __name__ == "__main__":
    unittest.main()
