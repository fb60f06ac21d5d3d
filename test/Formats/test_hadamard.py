# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats that transform columns, in whole programs, against NumPy: a matrix that is a table and the weight of a
product, and what the transform does to outliers."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LLMC = Path(os.environ["LLMC_BUILD"]) / "bin/llmc"
ROWS, COLUMNS = 70, 300


def sylvester(size: int) -> np.ndarray:
    matrix = np.ones((1, 1))
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / np.sqrt(size)


def transform(block: int) -> np.ndarray:
    """The whole matrix H of rows of COLUMNS."""
    result, at = np.eye(COLUMNS), 0
    while block >= 16:
        while COLUMNS - at >= block:
            result[at:at + block, at:at + block] = sylvester(block)
            at += block
        block //= 2
    return result


def round_groups(matrix: np.ndarray, bits: int) -> np.ndarray:
    """The nearest of evenly spaced levels about 0 under the best of many scales, in groups of 32."""
    result = matrix.copy()
    low, high = -2 ** (bits - 1), 2 ** (bits - 1) - 1
    for begin in range(0, COLUMNS, 32):
        group = matrix[:, begin:begin + 32]
        best = np.full(len(matrix), np.inf)
        most = np.abs(group).max(1, keepdims=True)
        for part in np.linspace(0.5, 1.1, 61):
            for sign in (1, -1):
                scale = sign * part * most / -low
                near = scale * np.clip(np.rint(group / scale), low, high)
                error = ((near - group) ** 2).sum(1)
                better = error < best
                best[better] = error[better]
                result[better, begin:begin + 32] = near[better]
    return result


class Hadamard(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name)
        random = np.random.default_rng(5)
        self.weight = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
        self.weight[:, 7::100] *= 30
        self.x = random.standard_normal((9, COLUMNS)).astype(np.float32)
        nodes = [helper.make_node("Gather", ["w", "ids"], ["rows"], axis=0),
                 helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS]),
                  helper.make_tensor_value_info("ids", TensorProto.INT64, ["m"])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", ROWS]),
                   helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["m", COLUMNS])]
        graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(self.weight, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), self.folder / "model.onnx")
        np.save(self.folder / "x.npy", self.x)
        np.save(self.folder / "ids.npy", np.arange(ROWS)[::-1].copy())

    def llmc(self, *arguments: object) -> None:
        subprocess.run([LLMC, *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

    def compile(self, rule: str) -> tuple[np.ndarray, np.ndarray, float]:
        """y, the rows of the table, and the error of the report."""
        (self.folder / "recipe.yaml").write_text(f"quantize: [{{{rule}}}]\n")
        self.llmc("compile", "model.onnx", "-o", "bundle", "--recipe", "recipe.yaml")
        self.llmc("run", "bundle", "--input", "x=x.npy", "--input", "ids=ids.npy", "--output-dir", "out")
        line, = json.loads((self.folder / "bundle/report.json").read_text())["tensors"]
        return np.load(self.folder / "out/y.npy"), np.load(self.folder / "out/rows.npy")[::-1], line["relative_error"]

    def test_table_and_product_are_one_matrix(self):
        for rule, bound in {"method: mse, format: i8g32.f32.h64": 0.01, "method: rtn, format: u4g64.f32.h16": 0.12,
                            "method: mse, bits: 6, group: 32, hadamard: 256": 0.03, "method: mse, format: nl4.h32": 0.12}.items():
            with self.subTest(rule):
                y, rows, error = self.compile(rule + ", activations: f32")
                difference = np.linalg.norm(rows.astype(np.float64) - self.weight) / np.linalg.norm(self.weight)
                self.assertAlmostEqual(difference, error, delta=1e-5)
                self.assertLess(error, bound)
                expected = self.x.astype(np.float64) @ rows.T.astype(np.float64)
                np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
                # One row alone has the same bits.
                np.save(self.folder / "x.npy", self.x[3:4])
                self.llmc("run", "bundle", "--input", "x=x.npy", "--input", "ids=ids.npy", "--output-dir", "out")
                np.testing.assert_array_equal(np.load(self.folder / "out/y.npy"), y[3:4])
                np.save(self.folder / "x.npy", self.x)

    def test_rows_are_stored_rows_transformed(self):
        """What is stored, W H, lies on the levels of its groups; the error is that of rounding it so."""
        for block in (16, 64):
            _, rows, error = self.compile(f"method: mse, format: i4g32.f32.h{block}")
            turned = self.weight.astype(np.float64) @ transform(block)
            expected = np.linalg.norm(round_groups(turned, 4) - turned) / np.linalg.norm(turned)
            self.assertAlmostEqual(error, expected, delta=0.03 * expected)
            stored = rows.astype(np.float64) @ transform(block)
            for row in stored[:5]:
                for begin in range(0, COLUMNS, 32):
                    group = row[begin:begin + 32]
                    distinct = np.unique(np.round(group / np.abs(group).max(), 4))
                    self.assertLessEqual(len(distinct), 16)

    def test_outliers_cost_less(self):
        plain, *others = [self.compile(f"method: mse, format: {name}")[2] for name in ("i4g32", "i4g32.h32", "i4g32.h128")]
        for error in others:
            self.assertLess(error, 0.9 * plain)

    def test_inputs_are_rounded_after_it(self):
        """An input with an outlier is spread, too: 8 bits then cost less."""
        self.x[:, 11] *= 60
        np.save(self.folder / "x.npy", self.x)
        distances = []
        for name in ("i8g32.f32", "i8g32.f32.h128"):
            y, rows, _ = self.compile(f"method: mse, format: {name}")
            expected = self.x.astype(np.float64) @ rows.T.astype(np.float64)
            distances.append(np.linalg.norm(y - expected) / np.linalg.norm(expected))
            self.assertLess(distances[-1], 0.1)
        self.assertLess(distances[1], 0.5 * distances[0])


if __name__ == "__main__":
    unittest.main()
