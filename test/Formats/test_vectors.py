# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats whose codes stand for several weights: the tables are those that their script makes, and what a bundle computes is what its bytes
say, read here as `llmc/Formats/Layout.h` has them."""
from __future__ import annotations

import json
import subprocess
import sys
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from whole_models import ROOT, WholeModels, llmc

FORMATS = ROOT / "lib/Formats"
ROWS = 16  # of a tile


def read_tables() -> dict[str, np.ndarray]:
    """By name [vectors][weights], as the header has them."""
    tables = {}
    for part in (FORMATS / "VectorTables.h").read_text(encoding="utf-8").split("/// ")[1:]:
        weights = int(part.split(" vectors of ")[1].split(".")[0])
        numbers = part.split("{")[1].split("}")[0].replace(",", " ").split()
        tables[part.split("> k")[1].split(" ")[0].lower()] = np.array(numbers, int).reshape(-1, weights)
    return tables


def decode(packed: np.ndarray, table: np.ndarray, bits: int, rows: int, columns: int) -> np.ndarray:
    """Rows of a matrix with f32 scales of groups of 32, in records of one group: a unit of codes and 16 scales."""
    weights = table.shape[1]
    codes = 32 // weights
    unit = bits // weights * ROWS * 4
    record = unit + ROWS * 4
    groups = -(-columns // 32)
    tiles = packed[:-(-rows // ROWS) * groups * record].reshape(-1, groups, record)
    planes = {8: [8], 6: [4, 2]}[bits]
    values = np.zeros((tiles.shape[0] * ROWS, groups * 32), np.float32)
    for tile, row, group, code in np.ndindex(tiles.shape[0], ROWS, groups, codes):
        data, index, shift, at = tiles[tile, group], 0, 0, 0
        for width in planes:
            fields = 8 // width
            byte = int(data[at + (code // 4 // fields * ROWS + row) * 4 + code % 4])
            index |= (byte >> code // 4 % fields * width & (1 << width) - 1) << shift
            shift += width
            at += width // weights * ROWS * 4
        scale = data[unit + 4 * row:unit + 4 * row + 4].view(np.float32)[0]
        first = group * 32 + code * weights
        values[tile * ROWS + row, first:first + weights] = table[index].astype(np.float32) * scale
    return values[:rows, :columns]


class Vectors(WholeModels):
    def test_the_tables_are_those_of_their_script(self):
        made = subprocess.run([sys.executable, FORMATS / "VectorTables.py"], capture_output=True, text=True, check=True, timeout=300).stdout
        self.assertEqual(made, (FORMATS / "VectorTables.h").read_text(encoding="utf-8"))
        for name, table in read_tables().items():
            with self.subTest(name):
                vectors = {tuple(vector) for vector in table.tolist()}
                self.assertEqual(len(vectors), len(table), "expected no vector twice")

    def compile(self, name: str, weights: np.ndarray, format_: str) -> dict:
        """y = x W^T with inputs as they are; returns the line of the report."""
        rows, columns = weights.shape
        node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
        x, y = (helper.make_tensor_value_info(side, TensorProto.FLOAT, ["n", extent]) for side, extent in (("x", columns), ("y", rows)))
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), self.out / f"{name}.onnx")
        recipe = self.out / f"{name}.yaml"
        recipe.write_text(f"quantize: [{{method: mse, format: {format_}, activations: f32}}]\n", encoding="utf-8")
        llmc("compile", self.out / f"{name}.onnx", "-o", self.out / name, "--recipe", recipe, "-q")
        line, = json.loads((self.out / name / "report.json").read_text(encoding="utf-8"))["tensors"]
        return line

    def test_columns_are_what_the_bytes_say(self):
        rows, columns = 21, 70
        weights = np.random.default_rng(3).standard_normal((rows, columns)).astype(np.float32)
        np.save(self.out / "identity.npy", np.eye(columns, dtype=np.float32))
        for name, table in read_tables().items():
            with self.subTest(name):
                line = self.compile(name, weights, f"{name}g32.f32")
                llmc("run", self.out / name, "--input", f"x={self.out}/identity.npy", "--output-dir", self.out / "y")
                got = np.load(self.out / "y/y.npy").T
                file = (self.out / name / "weights.safetensors").read_bytes()
                data = np.frombuffer(file[8 + int.from_bytes(file[:8], "little"):], np.uint8)
                expected = decode(data, table, len(table).bit_length() - 1, rows, columns)
                np.testing.assert_array_equal(got + 0.0, expected + 0.0)
                error = np.linalg.norm(expected.astype(float) - weights) / np.linalg.norm(weights)
                self.assertAlmostEqual(line["relative_error"], error, places=6)

    def test_whole_models(self):
        """Through the table, the tied head and products of integers; better than single levels of as many bits."""
        def divergence(rule: str, name: str) -> float:
            return self.evaluate(self.bundle(name, rule), reference)["kl_mean"]["value"]

        reference = self.bundle("f32", "")
        two = [divergence(f"method: mse, format: {name}g32", name) for name in ("v4b8", "i2")]
        self.assertLess(*two)
        self.assertLess(divergence("method: sinq, quantizer: mse, format: v2b6g32", "v2b6"), 0.7 * two[0])


if __name__ == "__main__":
    unittest.main()
