# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights that methods and formats find hard, through compile and run: a clear
error that names the weight, or a result that is right. The oracle is the product
in float64."""
from __future__ import annotations

import shutil
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hostile import HostileCase, run

# Of every method one, and formats with minimums, without, and of 8 bits.
METHODS = {"sinq": "sinq, format: u4g32", "hqq": "hqq, format: u4g32", "rtn": "rtn, format: u4g32", "mse": "mse, format: i4g32",
           "mse8": "mse, format: i8g32"}
RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


class Weights(HostileCase):
    def model(self, *weights: np.ndarray) -> None:
        """y = x W1 W2 ..., with W as MatMul has it: [inputs, outputs]."""
        nodes = [helper.make_node("MatMul", [f"x{i}", f"proj{i}.weight"], [f"x{i + 1}"]) for i in range(len(weights))]
        tensors = [numpy_helper.from_array(w, f"proj{i}.weight") for i, w in enumerate(weights)]
        inputs = [helper.make_tensor_value_info("x0", TensorProto.FLOAT, ["n", weights[0].shape[0]])]
        outputs = [helper.make_tensor_value_info(f"x{len(weights)}", TensorProto.FLOAT, ["n", weights[-1].shape[1]])]
        model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, tensors),
                                  opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        self.path = self.write("model.onnx", model.SerializeToString())
        self.weights = weights

    def recipe(self, rule: str):
        return self.write("recipe.yaml", f"quantize:\n  - {{method: {rule}}}\n")

    def refuse(self, rule: str, *parts: str) -> str:
        return self.not_compiled(self.path, *parts, options=["--recipe", self.recipe(rule)])

    def result(self, recipe, rows: int = 5) -> tuple[np.ndarray, np.ndarray]:
        """What the bundle computes, and what is right."""
        bundle = self.out / "bundle"
        done = run("compile", self.path, "-o", bundle, "--recipe", recipe)
        self.assertEqual(done.code, 0, done)
        x = normal(rows, self.weights[0].shape[0])
        np.save(self.folder / "x.npy", x)
        done = run("run", bundle, "--input", f"x0={self.folder / 'x.npy'}", "--output-dir", self.folder / "y")
        self.assertEqual(done.code, 0, done)
        shutil.rmtree(bundle)
        y = x.astype(np.float64)
        with np.errstate(invalid="ignore"):
            for w in self.weights:
                y = y @ w.astype(np.float64)
        return np.load(self.folder / "y" / f"x{len(self.weights)}.npy"), y

    def close(self, rule: str, bound: float = 0.15) -> np.ndarray:
        got, right = self.result(self.recipe(rule))
        self.assertTrue(np.isfinite(got).all(), rule)
        self.assertLessEqual(np.linalg.norm(got - right), bound * np.linalg.norm(right), rule)
        return got

    def test_numbers_that_are_not_finite(self):
        for wrong, text in ((np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")):
            w = normal(64, 48)
            w[13, 37] = wrong
            self.model(w)
            for rule in METHODS.values():
                with self.subTest(f"{text} {rule}"):
                    # Rows are outputs.
                    self.refuse(rule, f"'proj0.weight': expected finite numbers but got {text} in row 37, column 13")
        # A model in f32 has what it has.
        got, right = self.result("f32")
        self.assertEqual(np.isnan(got).tolist(), np.isnan(right).tolist())
        self.assertEqual(np.isinf(got).tolist(), np.isinf(right).tolist())
        self.assertTrue(np.isinf(got[:, 37]).all())

    def test_every_bad_matrix_is_named(self):
        bad = normal(64, 64)
        bad[1, 2] = np.nan
        self.model(bad, normal(64, 64), 2 * bad)
        text = self.refuse(METHODS["rtn"], "'proj0.weight'", "'proj2.weight'")
        self.assertNotIn("proj1", text)
        self.assertLess(text.index("proj0"), text.index("proj2"))

    def test_zeros(self):
        for shape in ((64, 48), (1, 1), (33, 5)):
            self.model(np.zeros(shape, np.float32))
            for rule in METHODS.values():
                with self.subTest(f"{shape} {rule}"):
                    self.assertFalse(self.result(self.recipe(rule))[0].any())
        some = normal(96, 32)
        some[:, 7] = 0  # a row of zeros, as methods see it
        some[32:64, 9] = 0  # a group
        some[40, :] = 0  # a column
        self.model(some)
        for rule in METHODS.values():
            with self.subTest(rule):
                self.assertFalse(self.close(rule)[:, 7].any())

    def test_one_row_one_column_and_short_rows(self):
        # Groups have 32 columns; rows of 5 and 33 do not fill theirs.
        for shape in ((64, 1), (1, 48), (1, 1), (5, 7), (33, 2), (31, 100)):
            self.model(normal(*shape))
            for rule in METHODS.values():
                with self.subTest(f"{shape} {rule}"):
                    self.close(rule, 0.3)
            for wide in ("rtn, format: u4g128", "sinq, format: u4g256", "mse, format: q4_k", "mse, format: i8row"):
                with self.subTest(f"{shape} {wide}"):
                    self.close(wide, 0.3)

    def test_constant_groups(self):
        # One number for each group of 32: what has a minimum keeps it to the precision of f16, else to that of a scale.
        w = np.repeat(normal(3, 40), 32, axis=0)
        self.model(w)
        for name, rule in METHODS.items():
            with self.subTest(rule):
                # Columns of one group are alike, so evening out changes them little.
                self.close(rule, 0.15 if name == "sinq" else 0.02)

    def test_scales_beyond_f16(self):
        large = normal(64, 48) * np.float32(1e9)
        self.model(large)
        for rule in METHODS.values():
            with self.subTest(rule):
                self.refuse(rule, "'proj0.weight'", "beyond the largest f16", "bf16 or f32")
        for rule in ("sinq, format: u4g32.bf16", "rtn, format: u4g32.f32", "mse, format: i8g32.f32"):
            self.close(rule)
        # One number among others is enough.
        one = normal(64, 48)
        one[3, 4] = 3e7
        self.model(one)
        self.refuse(METHODS["rtn"], "row 4", "beyond the largest f16")

    def test_scales_that_are_subnormal(self):
        self.model(normal(64, 48) * np.float32(1e-9))
        for rule in METHODS.values():
            with self.subTest(rule):
                self.refuse(rule, "'proj0.weight'", "below what format", "bf16 or f32")
        for rule in ("rtn, format: u4g32.f32", "sinq, format: u4g32.bf16"):
            self.close(rule)
        # Numbers that are subnormal themselves.
        self.model(normal(64, 48) * np.float32(1e-40))
        self.refuse("rtn, format: u4g32.f32", "below what format", "numbers below need a factor")
        # Some of these among others are as good as zeros.
        mixed = normal(64, 48)
        mixed[:, 5] *= np.float32(1e-40)
        mixed[7, :] *= np.float32(1e-30)
        self.model(mixed)
        for rule in METHODS.values():
            with self.subTest(rule):
                self.close(rule)

    def test_columns_of_all_magnitudes(self):
        # Evening out divides by scales up to its bounds and must not leave f32.
        w = normal(64, 48) * np.logspace(-30, 30, 64, dtype=np.float32)[:, None]
        self.model(w)
        done = run("compile", self.path, "-o", self.out / "bundle", "--recipe", self.recipe("sinq, format: u4g32.f32"))
        self.clean(done, "columns of all magnitudes")

    def test_recipes_that_fit_nothing(self):
        self.model(normal(64, 48))
        self.not_compiled(self.path, "recipe.yaml", "fits none of the 1 matrices of this model, such as ", "--dry-run",
                          options=["--recipe", self.write("recipe.yaml", "quantize:\n  - {match: nothing, method: rtn, bits: 4}\n")])


if __name__ == "__main__":
    unittest.main()
