# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compressed ONNX models: ONNX Runtime runs them, NumPy decodes them to the very
values, and compiling them with `keep` gives the weights of compiling the
original with the same recipe."""
from __future__ import annotations

import resource
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compressed import MODELS, Compressed, inputs, llmc, outputs, session, stored

RECIPE = """quantize:
  - {read: gather, method: mse, format: i8g32.f32}
  - {method: mse, format: i4g32.f32}
"""
SINQ = """quantize:
  - {read: gather, method: mse, format: i8g32.f32}
  - {method: sinq, quantizer: mse, format: i4g32.f32}
"""
FORMS = ["llama/optimum", "llama/dynamo", "llama/dynamo23", "llama16/genai_fp32", "gemma3/optimum", "gemma3/dynamo",
         "qwen3/optimum", "qwen3/dynamo", "bert/optimum", "bert/dynamo"]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.out = self.home / "out.onnx"

    def recipe(self, text: str) -> Path:
        path = self.home / "recipe.yaml"
        path.write_text(text)
        return path

    def assert_close(self, got: dict, want: dict, bound: float):
        self.assertEqual(got.keys(), want.keys())
        for name, value in want.items():
            if value.size:
                self.assertLess(np.abs(got[name] - value).max() / np.abs(value).max(), bound, name)


class Blocks(Folder):
    """MatMulNBits and GatherBlockQuantized."""

    def check(self, form: str, recipe: str):
        llmc("compress", MODELS / form, "-o", self.out, "--recipe", self.recipe(recipe), "-q", "-f")
        made = Compressed(self.out)
        original = onnx.load(MODELS / form / "model.onnx")
        matrices = {t.name for t in original.graph.initializer if len(t.dims) == 2 and t.dims[1] >= 16}
        products = [n for n in original.graph.node if n.op_type in ("MatMul", "Gemm") and n.input[1] in matrices]
        self.assertGreaterEqual(len(made.nodes("MatMulNBits")), len(products))
        self.assertGreater(len(made.nodes("GatherBlockQuantized")), 0)
        got = outputs(self.out)
        self.assert_close(got, outputs(made.plain(self.home / "plain.onnx")), 2e-5)
        return got

    def test_runs_and_agrees(self):
        for form in FORMS:
            with self.subTest(form):
                self.check(form, RECIPE)

    def test_keep_gives_the_same_weights(self):
        for form in ("llama/optimum", "llama16/genai_fp32"):
            with self.subTest(form):
                recipe = self.recipe(RECIPE)
                llmc("compress", MODELS / form, "-o", self.out, "--recipe", recipe, "-q", "-f")
                llmc("compile", MODELS / form, "-o", self.home / "a", "--recipe", recipe, "--context", 64, "--entry", "lm", "-q")
                llmc("compile", self.out, "-o", self.home / "b", "--recipe", "keep", "--context", 64, "--entry", "lm", "-q")
                want, got = stored(self.home / "a"), stored(self.home / "b")
                self.assertEqual(want.keys(), got.keys())
                self.assertEqual([name for name in want if want[name] != got[name]], [])

    def test_scales_of_columns_stand_before_products(self):
        self.check("llama/optimum", SINQ)
        made = Compressed(self.out)
        scales = {n.output[0]: n for n in made.nodes("Mul") if n.input[1].endswith(".columns")}
        # The head is the table of the embedding, which another method compresses.
        products = [n for n in made.nodes("MatMulNBits") if n.output[0] != "logits"]
        for node in products:
            self.assertIn(node.input[0], scales)
        # Each of q, k, v, o, gate, up and down has its own.
        self.assertEqual(len(scales), 3 * 7)
        # What the matrices stand for is near the original: (W / t) t.
        original = {t.name: numpy_helper.to_array(t) for t in onnx.load(MODELS / "llama/optimum/model.onnx").graph.initializer}
        plain = {n.output[0]: n for n in onnx.load(MODELS / "llama/optimum/model.onnx").graph.node}
        for node in products:
            want = original[plain[node.output[0]].input[1]].T
            got = made.packed(node) * made.array(scales[node.input[0]].input[1])
            self.assertLess(np.linalg.norm(got - want) / np.linalg.norm(want), 0.12, node.name)

    def test_what_is_not_compressed_keeps_its_bytes(self):
        recipe = self.recipe("quantize:\n  - {match: 'layers\\.1\\.mlp', method: rtn, format: i8g64.f32}\n")
        llmc("compress", MODELS / "llama/genai_fp32", "-o", self.out, "--recipe", recipe, "-q")
        before, after = onnx.load(MODELS / "llama/genai_fp32/model.onnx"), onnx.load(self.out)
        old = {n.output[0]: n.SerializeToString() for n in before.graph.node}
        new = {n.output[0]: n.SerializeToString() for n in after.graph.node}
        self.assertEqual(old.keys(), new.keys())
        changed = [n.name for n in after.graph.node if old[n.output[0]] != new[n.output[0]]]
        self.assertEqual(len(changed), 3, changed)
        self.assertTrue(all("layers.1/mlp" in name for name in changed), changed)
        tensors = {t.name: (t.data_type, t.raw_data) for t in after.graph.initializer}
        for tensor in before.graph.initializer:
            if tensor.name in tensors:
                self.assertEqual(tensors[tensor.name], (tensor.data_type, tensor.raw_data), tensor.name)
        self.assertEqual(len(before.graph.initializer) - 3 + 6, len(after.graph.initializer))
        self.assertEqual(before.graph.input, after.graph.input)
        self.assertEqual(before.graph.output, after.graph.output)

    def test_a_tied_table_is_there_once(self):
        recipe = self.recipe("quantize:\n  - {method: mse, format: i8g16.f32}\n")
        llmc("compress", MODELS / "llama/genai_fp32", "-o", self.out, "--recipe", recipe, "-q")
        graph = onnx.load(self.out, load_external_data=False).graph
        table, = [n for n in graph.node if n.op_type == "GatherBlockQuantized"]
        head, = [n for n in graph.node if n.op_type == "MatMulNBits" and n.output[0] == "logits"]
        place = {t.name: {e.key: e.value for e in t.external_data} for t in graph.initializer}
        self.assertEqual(place[table.input[0]], place[head.input[1]])
        self.assertEqual(table.input[2], head.input[2])
        # What turned the table for the head is gone.
        self.assertFalse([n.name for n in graph.node if n.op_type == "Transpose" and n.input[0] in place])

    def test_threads_do_not_change_a_bit(self):
        for threads in (1, 2):
            llmc("compress", MODELS / "llama/optimum", "-o", self.home / f"{threads}.onnx", "--threads", threads, "-q")
        self.assertEqual((self.home / "1.onnx.data").read_bytes(), (self.home / "2.onnx.data").read_bytes())
        self.assertEqual((self.home / "1.onnx").read_bytes().replace(b"1.onnx.data", b"2.onnx.data"),
                         (self.home / "2.onnx").read_bytes())


def one_product(path: Path, *, operator: str = "MatMul", columns: int = 80, rows: int = 24, bias: bool = False,
                opset: int = 21) -> np.ndarray:
    """x [n, columns] times a matrix; returns the matrix [rows, columns]."""
    rng = np.random.default_rng(5)
    weight = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    operands, tensors = ["x", "w"], [numpy_helper.from_array(weight if operator == "Gemm" else weight.T.copy(), "w")]
    if bias:
        operands.append("b")
        tensors.append(numpy_helper.from_array(rng.normal(0, 1, rows).astype(np.float32), "b"))
    nodes = [helper.make_node(operator, operands, ["y"], name="product", **({"transB": 1} if operator == "Gemm" else {}))]
    info = lambda name, width: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
    graph = helper.make_graph(nodes, "g", [info("x", columns)], [info("y", rows)], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return weight


class Dequantized(Folder):
    """DequantizeLinear of the standard."""

    def test_whole_models(self):
        for form, recipe in (("llama/dynamo23", RECIPE), ("llama16/genai_fp32", RECIPE), ("llama/dynamo23", SINQ)):
            with self.subTest(form):
                llmc("compress", MODELS / form, "-o", self.out, "--style", "qdq", "--recipe", self.recipe(recipe), "-q", "-f")
                if form == "llama/dynamo23":  # the other has operators that the checker does not know
                    onnx.checker.check_model(str(self.out), full_check=True)
                made = Compressed(self.out)
                self.assertFalse(made.nodes("MatMulNBits", "GatherBlockQuantized"))
                self.assertGreater(len(made.nodes("DequantizeLinear")), 10)
                self.assert_close(outputs(self.out), outputs(made.plain(self.home / "plain.onnx")), 1e-6)
                if (form, recipe) == ("llama/dynamo23", RECIPE):
                    same = ("--context", 64, "--entry", "lm", "-q")
                    llmc("compile", MODELS / form, "-o", self.home / "a", "--recipe", self.home / "recipe.yaml", *same)
                    llmc("compile", self.out, "-o", self.home / "b", "--recipe", "keep", *same)
                    self.assertTrue(stored(self.home / "a") == stored(self.home / "b"))

    def test_both_styles_agree(self):
        """One recipe gives one model, whatever its operators; ONNX Runtime computes the same with both."""
        for form, recipe in (("llama/dynamo23", SINQ), ("llama/dynamo23", RECIPE), ("llama16/genai_fp32", RECIPE)):
            with self.subTest(form):
                got = {}
                for style in ("nbits", "qdq"):
                    out = self.home / f"{style}.onnx"
                    llmc("compress", MODELS / form, "-o", out, "--style", style, "--recipe", self.recipe(recipe), "-q", "-f")
                    got[style] = outputs(out)
                    operators = {n.op_type for n in onnx.load(out, load_external_data=False).graph.node}
                    self.assertEqual("MatMulNBits" in operators, style == "nbits")
                    self.assertEqual("DequantizeLinear" in operators, style == "qdq")
                self.assert_close(got["nbits"], got["qdq"], 2e-5)

    def test_old_operator_sets(self):
        said = llmc("compress", MODELS / "llama/optimum", "-o", self.out, "--style", "qdq", "-q", code=1)
        self.assertIn("since version 21 of the operator set, and the model has version 18", said)


class Formats(Folder):
    """Every format that ONNX has, and refusals of the others."""

    def setUp(self):
        super().setUp()
        self.model = self.home / "model.onnx"

    def compress(self, format_: str, *more, method: str = "rtn", code: int = 0, **options) -> str:
        one_product(self.model, **options)
        recipe = self.recipe(f"quantize:\n  - {{method: {method}, format: {format_}}}\n")
        return llmc("compress", self.model, "-o", self.out, "--recipe", recipe, "-q", "-f", *more, code=code)

    def check(self, weight_node: str, format_: str, largest: float, *more, **options):
        self.compress(format_, *more, **options)
        weight = one_product(self.home / "again.onnx", **options)
        made = Compressed(self.out)
        node, = made.nodes(weight_node)
        got = made.packed(node) if weight_node == "MatMulNBits" else made.dequantized(node)
        if got.shape != weight.shape:
            got = got.T
        self.assertLess(np.linalg.norm(got - weight) / np.linalg.norm(weight), largest)
        x = np.random.default_rng(1).normal(0, 1, (7, weight.shape[1])).astype(np.float32)
        ran, = session(self.out).run(None, {"x": x})
        want = x.astype(np.float64) @ got.astype(np.float64).T
        if options.get("bias"):
            want += made.array("b")
        self.assertLess(np.abs(ran - want).max() / np.abs(want).max(), 2e-6)
        # Where ONNX keeps the type of the scales, what is compiled from it has the same bytes.
        if format_.endswith("32.f32") or format_.endswith("row.f32"):
            llmc("compile", self.out, "-o", self.home / "kept", "--recipe", "keep", "-q")
            llmc("compile", self.model, "-o", self.home / "made", "--recipe", self.home / "recipe.yaml", "-q")
            self.assertEqual(stored(self.home / "kept"), stored(self.home / "made"))

    def test_blocks(self):
        for format_, largest in {"i4g16.f32": .12, "i4g32.f16": .14, "i4g64.f32": .16, "i4row.f32": .2, "i8g32.f16": .01,
                                 "i8g128.f32": .01, "i2g16.f32": .95, "i4g32.f16r-u8": .15,
                                 "i8g16.e8m0": .3}.items():
            with self.subTest(format_):
                self.check("MatMulNBits", format_, largest)

    def test_dequantized(self):
        """Both axes: a Gemm has its columns along axis 1, a MatMul along axis 0."""
        for operator in ("MatMul", "Gemm"):
            for format_, largest in {"i4g16.f32": .12, "i4g32.f16": .14, "i4row.f32": .2, "i8g32.f16": .01, "i8row.f32": .01,
                                     "i4g48.f32": .16}.items():
                with self.subTest(operator=operator, format=format_):
                    self.check("DequantizeLinear", format_, largest, "--style", "qdq", operator=operator)
        self.assertIn("2 bits and blocks since version 25",
                      self.compress("i2g16.f32", "--style", "qdq", code=1))

    def test_gemm(self):
        for bias in (False, True):
            with self.subTest(bias=bias):
                self.check("MatMulNBits", "i4g32.f32", .14, operator="Gemm", bias=bias)

    def test_refusals(self):
        for format_, why in {"u4g32": "has minimums", "i5g32": "codes of 5 bits", "nl4g32": "levels that are not even",
                             "t2g32": "levels that are not even",
                             "v4b8": "codes that stand for 4 weights each, and ONNX has one for each weight; use i4g32",
                             "i4g32.f32.h64": "transforms columns, which no operator of ONNX undoes; use 'i4g32.f32'",
                             "i4g48.f32": "expected groups of 16, 32, 64, 128 or 256 columns",
                             "i4g32.f32r-u8": "expected a scale that f32 holds"}.items():
            with self.subTest(format_):
                said = self.compress(format_, code=1)
                self.assertIn("llmc: error: weight 'w'", said)
                self.assertIn(why, said)
                self.assertIn("method: keep} leaves it as it is", said)
                self.assertFalse(self.out.exists())
        self.assertEqual(sorted(p.name for p in self.home.iterdir()), ["model.onnx", "recipe.yaml"])


class Hostile(Folder):
    def setUp(self):
        super().setUp()
        self.model = self.home / "model.onnx"
        one_product(self.model)

    def compress(self, output, *more, code=1, **options) -> str:
        return llmc("compress", self.model, "-o", output, "-q", "--recipe",
                    self.recipe("quantize:\n  - {method: rtn, format: i4g32.f32}\n"), *more, code=code, **options)

    def test_files_that_are_there(self):
        self.out.write_text("mine")
        self.assertIn("exists; --force replaces it", self.compress(self.out))
        self.assertEqual(self.out.read_text(), "mine")
        self.compress(self.out, "--force", code=0)
        onnx.checker.check_model(str(self.out))
        data = self.home / "other.onnx.data"
        data.write_text("mine")
        self.assertIn("other.onnx.data' exists", self.compress(self.home / "other.onnx"))
        self.assertEqual(data.read_text(), "mine")
        (self.home / "folder.onnx").mkdir()
        self.assertIn("is a folder", self.compress(self.home / "folder.onnx", "-f"))

    def test_the_model_itself(self):
        before = self.model.read_bytes()
        self.assertIn("is a file of the model itself", self.compress(self.model, "-f"))
        (self.home / "link.onnx").symlink_to(self.model)
        self.assertIn("is a file of the model itself", self.compress(self.home / "link.onnx", "-f"))
        self.assertEqual(self.model.read_bytes(), before)
        folder = self.home / "genai"
        shutil.copytree(MODELS / "llama/genai_fp32", folder)
        self.model = folder / "in.onnx"
        (folder / "model.onnx").rename(self.model)
        before = (folder / "model.onnx.data").read_bytes()
        self.assertIn("model.onnx.data' is a file of the model", self.compress(folder / "model.onnx", "-f"))
        self.assertEqual((folder / "model.onnx.data").read_bytes(), before)

    def test_no_room(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))

        said = self.compress(self.out, code=3, preexec_fn=limit)
        for part in ("no space for", "no file there may be so large", "ulimit -f"):
            self.assertIn(part, said)
        self.assertEqual(sorted(p.name for p in self.home.iterdir()), ["model.onnx", "recipe.yaml"])

    def test_places_that_cannot_be(self):
        (self.home / "file").write_text("")
        self.assertIn("cannot create", self.compress(self.home / "file/out.onnx", code=3))

    def test_usage(self):
        self.assertIn("expected -o to end in .onnx", self.compress(self.home / "out.txt", code=2))
        self.assertIn("'compress' needs -o", llmc("compress", self.model, code=2))


if __name__ == "__main__":
    unittest.main()
