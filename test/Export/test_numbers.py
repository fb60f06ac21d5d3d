# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Matrices as numbers of 16 bits, in bundles and in files of others: `ml_dtypes`
and NumPy say what each number must be, ONNX Runtime and NumPy what comes of it."""
from __future__ import annotations

import json
import unittest

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compressed import MODELS, llmc, outputs, session, stored
from test_onnx import FORMS, Folder, one_product

KINDS = {"bf16": (ml_dtypes.bfloat16, TensorProto.BFLOAT16), "f16": (np.float16, TensorProto.FLOAT16)}


def report(bundle) -> dict[str, dict]:
    return {line["name"]: line for line in json.loads((bundle / "report.json").read_text())["tensors"]}


class Bundles(Folder):
    def setUp(self):
        super().setUp()
        self.model, self.bundle = self.home / "model.onnx", self.home / "bundle"

    def compile(self, rules: str, *more, code: int = 0) -> str:
        return llmc("compile", self.model, "-o", self.bundle, "--recipe", self.recipe(f"quantize:\n{rules}"), "-f", *more, code=code)

    def test_products(self):
        weight = one_product(self.model, columns=83, rows=37)
        x = np.random.default_rng(1).normal(0, 1, (7, weight.shape[1])).astype(np.float32)
        for kind, (dtype, _) in KINDS.items():
            for target in ("host", "x86-64", "x86-64-v3"):  # the second has no instruction for f16
                with self.subTest(kind, target=target):
                    self.compile(f"  - {{format: {kind}}}\n", "--target", target)
                    rounded = weight.astype(dtype).astype(np.float64)
                    results = []
                    for rows in (7, 1):
                        np.save(self.home / "x.npy", x[:rows])
                        llmc("run", self.bundle, "--input", f"x={self.home / 'x.npy'}", "--output-dir", self.home / "out", "-q")
                        results.append(np.load(self.home / "out/y.npy"))
                    want = x.astype(np.float64) @ rounded.T
                    self.assertLess(np.abs(results[0] - want).max() / np.abs(want).max(), 1e-6)
                    np.testing.assert_array_equal(results[0][:1], results[1])
                    line = report(self.bundle)["w"]
                    self.assertEqual((line["format"], line["method"]), (kind, "rtn"))
                    error = np.linalg.norm(rounded - weight) / np.linalg.norm(weight.astype(np.float64))
                    self.assertAlmostEqual(line["relative_error"], error, delta=1e-6 * error)

    def test_refusals(self):
        one_product(self.model)
        model = onnx.load(self.model)
        tensor, = (t for t in model.graph.initializer if len(t.dims) == 2)
        weight = numpy_helper.to_array(tensor).copy()

        def change(value):
            changed = weight.copy()
            changed[3, 2] = value
            tensor.CopyFrom(numpy_helper.from_array(changed, tensor.name))
            onnx.save(model, self.model)

        change(7e4)
        said = self.compile("  - {format: f16}\n", code=1)
        self.assertIn("llmc: error: 'w': 7.000000E+04 in row 2, column 3 is beyond 6.550400E+04, the largest f16; bf16 and f32 reach further", said)
        self.assertFalse(self.bundle.exists())
        self.compile("  - {format: bf16}\n")
        for value in (np.nan, np.inf):
            change(value)
            for kind in KINDS:
                with self.subTest(kind, value=value):
                    self.assertIn("expected finite numbers", self.compile(f"  - {{format: {kind}}}\n", code=1))

    def test_tables_and_heads_share(self):
        """One tied matrix of odd sizes is gathered from and multiplied with."""
        rng = np.random.default_rng(4)
        table = rng.normal(0, 1, (37, 19)).astype(np.float32)
        graph = helper.make_graph(
            [helper.make_node("Gather", ["w", "ids"], ["rows"], axis=0),
             helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
             helper.make_node("MatMul", ["rows", "turned"], ["y"])], "tied",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
            [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 19]),
             helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 37])], [numpy_helper.from_array(table, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), self.model)
        ids = np.array([0, 36, 15, 16, 17, 36])
        np.save(self.home / "ids.npy", ids)
        for kind, (dtype, _) in KINDS.items():
            with self.subTest(kind):
                self.compile(f"  - {{format: {kind}}}\n")
                self.assertEqual(list(stored(self.bundle)), ["w"])
                llmc("run", self.bundle, "--input", f"ids={self.home / 'ids.npy'}", "--output-dir", self.home / "out", "-q")
                rounded = table.astype(dtype).astype(np.float32)
                np.testing.assert_array_equal(np.load(self.home / "out/rows.npy"), rounded[ids])
                want = rounded[ids].astype(np.float64) @ rounded.T
                self.assertLess(np.abs(np.load(self.home / "out/y.npy") - want).max(), 1e-5)

    def test_mixed_rules(self):
        recipe = self.recipe("quantize:\n  - {read: gather, format: f16}\n  - {match: down_proj, format: bf16}\n"
                             "  - {match: o_proj, format: f32}\n  - {method: mse, format: i8g32}\n")
        llmc("compile", MODELS / "llama/optimum", "-o", self.bundle, "--recipe", recipe, "--entry", "lm", "-q")
        formats = {name: line["format"] for name, line in report(self.bundle).items()}
        for name, kind in formats.items():
            if "proj" in name or "embed" in name:
                self.assertEqual(kind, "f16" if "embed" in name else "bf16" if "down" in name else "f32" if "o_proj" in name
                                 else "i8g32", name)
        self.assertEqual({"f16", "bf16", "f32", "i8g32"}, set(formats.values()))

    def test_resume_and_threads(self):
        """The bytes depend on neither."""
        for threads in (1, 2):
            llmc("compile", MODELS / "llama/optimum", "-o", self.home / f"b{threads}", "--recipe", "bf16", "--threads", threads, "-q")
        one, two = (stored(self.home / f"b{threads}") for threads in (1, 2))
        self.assertTrue(one == two)
        sizes = {name: (line["bytes_before"], line["bytes"]) for name, line in report(self.home / "b1").items()
                 if line["format"] == "bf16"}
        self.assertGreater(len(sizes), 10)
        for name, (before, after) in sizes.items():
            # Rows fill blocks of up to 32; 16 are the fewest here.
            self.assertGreaterEqual(after * 2, before, name)
            self.assertLessEqual(after, before, name)

    def test_numbers_that_come_in_16_bits_are_kept(self):
        rng = np.random.default_rng(5)
        weight, x = rng.normal(0, 1, (21, 35)).astype(np.float32), rng.normal(0, 1, (3, 35)).astype(np.float32)
        np.save(self.home / "x.npy", x)
        for kind, (dtype, element) in KINDS.items():
            with self.subTest(kind):
                rounded = weight.astype(dtype)
                tensor = helper.make_tensor("w", element, [35, 21], np.ascontiguousarray(rounded.T).tobytes(), raw=True)
                graph = helper.make_graph([helper.make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
                                           helper.make_node("MatMul", ["x", "wide"], ["y"])], "cast",
                                          [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 35])],
                                          [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 21])], [tensor])
                onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), self.model)
                llmc("compile", self.model, "-o", self.bundle, "--recipe", "keep", "-q", "-f")
                line, = report(self.bundle).values()
                self.assertEqual((line["format"], line["method"], line["relative_error"]), (kind, "keep", 0))
                llmc("run", self.bundle, "--input", f"x={self.home / 'x.npy'}", "--output-dir", self.home / "out", "-q")
                want = x.astype(np.float64) @ rounded.astype(np.float64).T
                self.assertLess(np.abs(np.load(self.home / "out/y.npy") - want).max() / np.abs(want).max(), 1e-6)


class Onnx(Folder):
    def test_whole_models(self):
        """Every matrix is the old one, rounded, and ONNX Runtime computes what it does with those in f32."""
        for form in FORMS:
            for kind in KINDS if form == "llama/optimum" else ["bf16"]:
                with self.subTest(form, kind=kind):
                    dtype, element = KINDS[kind]
                    recipe = self.recipe(f"quantize:\n  - {{format: {kind}}}\n")
                    llmc("compress", MODELS / form, "-o", self.out, "--recipe", recipe, "-q", "-f")
                    made, old = onnx.load(self.out), onnx.load(MODELS / form / "model.onnx")
                    before = {t.name: numpy_helper.to_array(t) for t in old.graph.initializer}
                    after = {t.name: t for t in made.graph.initializer}
                    casts = [n for n in made.graph.node if n.op_type == "Cast" and n.output[0] in before]
                    self.assertGreater(len(casts), 10)
                    self.assertEqual([], [n.output[0] for n in casts if n.output[0] in after])
                    for node in casts:
                        tensor, want = after[node.input[0]], before[node.output[0]].astype(dtype)
                        self.assertEqual(tensor.data_type, element)
                        self.assertEqual(tensor.raw_data, want.tobytes(), node.output[0])
                        next(t for t in old.graph.initializer if t.name == node.output[0]).CopyFrom(
                            numpy_helper.from_array(want.astype(np.float32), node.output[0]))
                    plain = self.home / "plain.onnx"
                    onnx.save(old, plain)
                    self.assert_close(outputs(self.out), outputs(plain), 1e-6)

    def test_keep_gives_the_same_weights(self):
        same = ("--context", 64, "--entry", "lm", "-q")
        llmc("compress", MODELS / "llama/optimum", "-o", self.out, "--recipe", "bf16", "-q")
        llmc("compile", MODELS / "llama/optimum", "-o", self.home / "a", "--recipe", "bf16", *same)
        llmc("compile", self.out, "-o", self.home / "b", "--recipe", "keep", *same)
        # By another name: that of the tensor in the file.
        self.assertTrue(sorted(stored(self.home / "a").values()) == sorted(stored(self.home / "b").values()))

    def test_old_operator_sets(self):
        model = self.home / "old.onnx"
        one_product(model)
        old = onnx.load(model)
        old.opset_import[0].version = 11
        onnx.save(old, model)
        said = llmc("compress", model, "-o", self.out, "--recipe", "bf16", "-q", code=1)
        self.assertIn("Cast takes bf16 since version 13 of the operator set, and the model has version 11", said)
        recipe = self.recipe("quantize:\n  - {format: f16}\n")
        llmc("compress", model, "-o", self.out, "--recipe", recipe, "-q")
        x = np.zeros((2, old.graph.input[0].type.tensor_type.shape.dim[1].dim_value), np.float32)
        session(self.out).run(None, {"x": x})


if __name__ == "__main__":
    unittest.main()
