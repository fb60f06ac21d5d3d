# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Codes that a model comes with, exported behind DequantizeLinear: ONNX Runtime
multiplies unit vectors by the matrices and must get the very values that NumPy
decodes from the old nodes."""
from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import gguf
import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compressed import MODELS, Compressed, llmc, outputs, scaled, session, stored

REALS = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16, ml_dtypes.bfloat16: TensorProto.BFLOAT16}


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Rows of integers into rows of bytes, the low bits first."""
    each = 8 // bits
    codes = np.pad(codes.astype(np.uint8), [(0, 0), (0, -codes.shape[1] % each)])
    return np.bitwise_or.reduce(codes.reshape(len(codes), -1, each) << np.arange(0, 8, bits, dtype=np.uint8), -1).astype(np.uint8)


class Model:
    """Nodes with matrices in few bits, each with an output of its own; `want` has the matrices, [rows, columns]."""

    def __init__(self, opset: int = 21):
        self.opset, self.random = opset, np.random.default_rng(7)
        self.nodes, self.inputs, self.outputs, self.tensors, self.feed, self.want = [], [], [], [], {}, {}

    def constant(self, value: np.ndarray, name: str = "") -> str:
        name = name or f"t{len(self.tensors)}"
        kind = REALS.get(value.dtype.type)
        self.tensors.append(helper.make_tensor(name, kind, value.shape, value.tobytes(), raw=True) if kind
                            else numpy_helper.from_array(value, name))
        return name

    def input(self, value: np.ndarray, kind: int) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
        self.feed[name] = value
        return name

    def output(self, name: str, kind: int) -> str:
        self.outputs.append(helper.make_tensor_value_info(name, kind, [None, None]))
        return name

    def unit(self, columns: int, real=np.float32) -> str:
        """All unit vectors: the product with them is the matrix."""
        x = self.input(np.eye(columns, dtype=np.float32), TensorProto.FLOAT)
        if real is np.float32:
            return x
        self.nodes.append(helper.make_node("Cast", [x], [x + "_low"], to=REALS[real]))
        return x + "_low"

    def shown(self, value: str, real) -> str:
        """As an output in f32, which NumPy can take."""
        if real is np.float32:
            return self.output(value, TensorProto.FLOAT)
        self.nodes.append(helper.make_node("Cast", [value], [value + "_f32"], to=TensorProto.FLOAT))
        return self.output(value + "_f32", TensorProto.FLOAT)

    def parts(self, rows: int, columns: int, bits: int, block: int, real, zeros: str | None):
        """Codes, scales, zero points (as counted from 0, and as an operand), and the matrix."""
        blocks = -(-columns // block)
        codes = self.random.integers(0, 1 << bits, (rows, columns))
        scales = self.random.normal(0, .1, (rows, blocks)).astype(real)
        points, operand = np.full((rows, blocks), 1 << bits - 1), None
        if zeros == "codes":
            points = self.random.integers(0, 1 << bits, (rows, blocks))
            operand = pack(points, bits)
        elif zeros:
            points = self.random.integers(0, 1 << bits, (rows, blocks)) + (.5 if zeros == "halves" else 0)
            operand = points.astype(real)
        return codes, scales, operand, scaled(codes, points, scales.astype(np.float64), block)

    def product(self, bits: int = 4, columns: int = 80, rows: int = 24, block: int = 32, real=np.float32, zeros: str | None = None,
                bias: bool = False) -> str:
        codes, scales, points, matrix = self.parts(rows, columns, bits, block, real, zeros)
        padded = np.pad(codes, [(0, 0), (0, -columns % block)])
        operands = [self.unit(columns, real), self.constant(pack(padded, bits).reshape(rows, -1, block * bits // 8)),
                    self.constant(scales), self.constant(points) if points is not None else ""]
        total = matrix.T
        if bias:
            added = self.random.normal(0, 1, rows).astype(real)
            operands += ["", self.constant(added)]
            total = total + added.astype(np.float32)
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node("MatMulNBits", operands, [name], name=name, domain="com.microsoft", K=columns, N=rows,
                                           bits=bits, block_size=block))
        self.want[self.shown(name, real)] = total.astype(real).astype(np.float32)
        return name

    def gather(self, bits: int = 4, columns: int = 64, rows: int = 12, block: int = 32, real=np.float32, zeros: str | None = None,
               kind: int | None = None) -> str:
        """Codes in bytes, or as the integers `kind` of ONNX."""
        codes, scales, points, matrix = self.parts(rows, columns, bits, block, real, zeros)
        if kind is None:
            data = self.constant(pack(codes, bits))
            points = self.constant(points) if points is not None else ""
        else:
            signed = kind == TensorProto.INT4
            nibbles = lambda values: helper.make_tensor(f"t{len(self.tensors)}", kind, values.shape,
                                                        pack((values.reshape(1, -1) - 8 * signed) & 15, 4).tobytes(), raw=True)
            points = self.random.integers(0, 16, scales.shape)
            matrix = scaled(codes, points, scales, block)
            self.tensors.append(nibbles(codes))
            data = self.tensors[-1].name
            self.tensors.append(nibbles(points))
            points = self.tensors[-1].name
        picked = np.array([rows - 1, 0, 3, 3, -2], np.int64)
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node("GatherBlockQuantized", [data, self.input(picked, TensorProto.INT64),
                                                                    self.constant(scales), points], [name], name=name,
                                           domain="com.microsoft", bits=bits, block_size=block, gather_axis=0, quantize_axis=1))
        self.want[self.shown(name, real)] = matrix[picked].astype(real).astype(np.float32)
        return name

    def blocks(self, kind: str, rows: int = 9, columns: int = 64) -> str:
        """Blocks of a GGUF file."""
        type_ = gguf.GGMLQuantizationType[kind.upper()]
        matrix = self.random.normal(0, 1, (rows, columns)).astype(np.float32)
        data = gguf.quants.quantize(matrix, type_)
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node("DequantizeBlocks", [self.constant(data)], [name], name=name, domain="ai.llmc", type=kind,
                                           shape=[rows, columns]))
        self.nodes.append(helper.make_node("Gather", [name, self.input(np.arange(rows), TensorProto.INT64)], [name + "_rows"]))
        self.want[self.output(name + "_rows", TensorProto.FLOAT)] = gguf.quants.dequantize(data, type_).astype(np.float32)
        return name

    def save(self, path: Path, **more) -> None:
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.tensors)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("ai.llmc", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=12 if self.opset > 23 else 10, **more), path)


class Kept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)
        self.path, self.out = self.home / "model.onnx", self.home / "out.onnx"
        self.model = Model()

    def export(self, *more, code: int = 0) -> str:
        return llmc("compress", self.path, "-o", self.out, "--recipe", "keep", "-f", *(more or ("--style", "qdq")), code=code)

    def check(self) -> Compressed:
        """Nothing but operators of the standard, the same values, and no tensor that nobody reads."""
        self.model.save(self.path)
        self.export()
        made = Compressed(self.out)
        self.assertEqual({n.domain for n in made.model.graph.node}, {""})
        onnx.checker.check_model(str(self.out), full_check=True)
        running = session(self.out)
        names = [o.name for o in running.get_outputs()]
        got = dict(zip(names, running.run(None, self.model.feed)))
        self.assertEqual(got.keys(), self.model.want.keys())
        for name, want in self.model.want.items():
            np.testing.assert_array_equal(got[name] + 0.0, want + 0.0, name)
        read = {name for node in made.model.graph.node for name in node.input}
        self.assertEqual(set(made.tensors) - read, set())
        return made

    def test_products(self):
        for bits in (4, 8):
            for zeros in (None, "codes"):
                self.model.product(bits, zeros=zeros)
                self.model.product(bits, columns=96, block=16, zeros=zeros, bias=True)
                self.model.product(bits, columns=40, block=64, zeros=zeros)  # one block: a scale for each row
        self.model.product(zeros="reals")  # that are codes
        made = self.check()
        self.assertEqual(len(made.nodes("DequantizeLinear")), len(made.nodes("MatMul")))
        self.assertEqual([n.name for n in made.nodes("MatMul")],
                         [n.name for n in self.model.nodes if n.op_type == "MatMulNBits"])

    def test_two_bits(self):
        self.model = Model(opset=25)
        for zeros in (None, "codes"):
            self.model.product(2, zeros=zeros)
        self.check()

    def test_halves(self):
        """The matrix and the product are f32, and round once, as llmc computes the old nodes."""
        for real in (np.float16, ml_dtypes.bfloat16):
            self.model.product(real=real)
            self.model.product(real=real, bias=True, zeros="codes")
            self.model.gather(real=real)
        self.check()

    def test_tables(self):
        for bits in (4, 8):
            for zeros in (None, "codes"):
                self.model.gather(bits, zeros=zeros)
        for kind in (TensorProto.INT4, TensorProto.UINT4):
            self.model.gather(kind=kind)
        made = self.check()
        self.assertEqual(len(made.nodes("Gather")), 6)

    def test_a_tied_table_is_there_once(self):
        """One tensor, and one that is there twice."""
        self.model.gather(columns=64, rows=12)
        self.model.product(columns=64, rows=12)
        table, product = (next(n for n in self.model.nodes if n.op_type == op) for op in ("GatherBlockQuantized", "MatMulNBits"))
        tensors = {t.name: t for t in self.model.tensors}
        for place, (to, old) in enumerate(((1, 0), (2, 2))):
            values = numpy_helper.to_array(tensors[table.input[old]])
            values = values.reshape(12, 2, 16) if place == 0 else values
            tensors[product.input[to]].CopyFrom(numpy_helper.from_array(values, product.input[to]))
        picked = self.model.feed[table.input[1]]
        matrix = Compressed.packed(type("", (), {"array": lambda self, n: numpy_helper.to_array(tensors[n])})(), product)
        self.model.want[product.output[0]] = matrix.T
        np.testing.assert_array_equal(self.model.want[table.output[0]], matrix[picked])
        made = self.check()
        self.assertEqual(len(made.nodes("DequantizeLinear")), 1)
        self.assertEqual(len(made.nodes("Transpose")), 1)

    def test_blocks(self):
        self.model.blocks("q4_0")
        self.model.blocks("q8_0")
        made = self.check()
        self.assertEqual({n.output[0] for n in made.nodes("DequantizeLinear")},
                         {n.output[0] for n in self.model.nodes if n.op_type == "DequantizeBlocks"})

    def test_whole_models(self):
        """Their tables read the codes of the head, reshaped to more columns; ONNX Runtime agrees with the decoded weights, and what is
        compiled from both files has the same weights."""
        for form in ("llama/genai_int4", "llama16/genai_int4"):
            with self.subTest(form):
                self.path = MODELS / form
                said = self.export()
                self.assertRegex(said, r"linear +i4g32\.f32 +keep +\d+ .*\ntable +i4g32\.f32 +keep +1 ")
                old, made = Compressed(self.path / "model.onnx"), Compressed(self.out)
                self.assertFalse(made.nodes("MatMulNBits", "GatherBlockQuantized"))
                products = old.nodes("MatMulNBits")
                self.assertEqual(len(made.nodes("DequantizeLinear")), len(products) + 1)
                read = {name for node in made.model.graph.node for name in node.input}
                self.assertEqual(set(made.tensors) - read, set())
                values = {n.output[0]: made.dequantized(n) for n in made.nodes("DequantizeLinear")}
                now = {n.name: n for n in made.nodes("MatMul")}
                for node in products:
                    np.testing.assert_array_equal(values[now[node.name].input[1]].T, old.packed(node))
                table, = (n for n in made.nodes("Gather") if n.input[0] in values)
                node, = old.nodes("GatherBlockQuantized")
                turn, = (n for n in old.nodes("Reshape") if n.output[0] == node.input[0])
                codes = old.array(turn.input[0])
                old.tensors[node.input[0]] = numpy_helper.from_array(codes.reshape(len(codes), -1))
                np.testing.assert_array_equal(values[table.input[0]], old.packed(node))
                if form == "llama16/genai_int4":  # ONNX Runtime has no heads of 8
                    got, want = outputs(self.out), outputs(old.plain(self.home / "plain.onnx"))
                    self.assertEqual(got.keys(), want.keys())
                    for name, value in want.items():
                        np.testing.assert_array_equal(got[name], value, name)
                for name, model in (("a", self.path), ("b", self.out)):
                    llmc("compile", model, "-o", self.home / name, "--recipe", "keep", "--context", 64, "--entry", "lm", "-q")
                sizes = lambda name: sorted(hash(value) for value in stored(self.home / name).values())
                self.assertEqual(sizes("a"), sizes("b"))

    def test_other_weights_have_their_method(self):
        """Of one graph: a rule for a matrix in f32, and codes that are kept."""
        self.model.product()
        weight = self.model.random.normal(0, 1, (64, 8)).astype(np.float32)
        self.model.nodes.append(helper.make_node("MatMul", [self.model.unit(64), self.model.constant(weight, "plain")], ["z"]))
        self.model.output("z", TensorProto.FLOAT)
        self.model.save(self.path)
        recipe = self.home / "recipe.yaml"
        recipe.write_text("quantize:\n  - {match: plain, method: rtn, format: i8g32.f32}\n  - {method: keep}\n")
        llmc("compress", self.path, "-o", self.out, "--recipe", recipe, "--style", "qdq", "-q")
        made = Compressed(self.out)
        self.assertEqual(len(made.nodes("DequantizeLinear")), 2)
        got = dict(zip([o.name for o in session(self.out).get_outputs()], session(self.out).run(None, self.model.feed)))
        name, want = next(iter(self.model.want.items()))
        np.testing.assert_array_equal(got[name] + 0.0, want + 0.0)
        self.assertLess(np.abs(got["z"] - weight).max(), .02)

    def test_the_other_style_is_theirs(self):
        self.model.product()
        self.model.save(self.path)
        self.export("--style", "nbits")
        node, = Compressed(self.out).nodes("MatMulNBits")
        self.assertEqual(node, self.model.nodes[-1])

    def test_without_a_style_all_stay(self):
        self.model.product()
        self.add_dequantized()
        self.model.save(self.path)
        llmc("compress", self.path, "-o", self.out, "--recipe", "keep")
        self.assertEqual(list(Compressed(self.out).model.graph.node), self.model.nodes)

    def add_dequantized(self) -> None:
        """A product with a matrix behind DequantizeLinear."""
        codes = self.model.random.integers(-128, 128, (64, 8)).astype(np.int8)
        scales = self.model.random.normal(0, .1, (2, 8)).astype(np.float32)
        self.model.nodes.append(helper.make_node("DequantizeLinear", [self.model.constant(codes), self.model.constant(scales)], ["w"],
                                                 name="decode", axis=0, block_size=32))
        self.model.nodes.append(helper.make_node("MatMul", [self.model.unit(64), "w"], ["z"]))
        self.model.want[self.model.output("z", TensorProto.FLOAT)] = scaled(codes.T, np.zeros((8, 2)), scales.T, 32).T

    def test_dequantized_matrices_stay_and_are_not_made_blocks(self):
        self.model.product()
        self.add_dequantized()
        made = self.check()
        self.assertEqual(len(made.nodes("DequantizeLinear")), 2)
        self.out.unlink()
        said = self.export("--style", "nbits", code=1)
        self.assertRegex(said, r"node 'decode' \(DequantizeLinear\): it holds the codes of weight '.*', and --style nbits makes MatMulNBits of "
                               "numbers in f32 alone; without --style the node stays as it is")
        self.assertFalse(self.out.exists())

    def refused(self, words: str, **more):
        self.model.save(self.path, **more)
        said = self.export(code=1)
        self.assertRegex(said, words)
        self.assertRegex(said, "without --style it stays as it is|leave --style out, and it stays")
        self.assertFalse(self.out.exists())

    def test_zero_points_between_codes_are_refused(self):
        name = self.model.product(zeros="halves", real=np.float16)
        self.refused(rf"error: node '{name}' \(MatMulNBits\): format '.*' has minimums, and ONNX has zero points that are codes; "
                     "without --style it stays as it is")

    def test_blocks_that_onnx_lacks_are_refused(self):
        for kind, why in (("q4_1", "has minimums"), ("q5_0", "has codes of 5 bits"), ("iq4_nl", "has levels that are not even")):
            with self.subTest(kind):
                self.model = Model()
                type_ = gguf.GGMLQuantizationType[kind.upper()]
                columns, size = gguf.GGML_QUANT_SIZES[type_]
                data = np.full((4, size), 0x38, np.uint8)
                self.model.nodes.append(helper.make_node("DequantizeBlocks", [self.model.constant(data)], ["w"], name="w",
                                                         domain="ai.llmc", type=kind, shape=[4, columns]))
                self.model.nodes.append(helper.make_node("Gather", ["w", self.model.input(np.arange(4), TensorProto.INT64)], ["y"]))
                self.model.output("y", TensorProto.FLOAT)
                self.refused(rf"node 'w' \(DequantizeBlocks\): format '.*' {why}")

    def test_old_operator_sets_are_refused(self):
        self.model = Model(opset=20)
        name = self.model.product()
        self.refused(rf"node '{name}' \(MatMulNBits\): DequantizeLinear has 4 bits and blocks since version 21 of the operator set, "
                     "and the model has version 20")
        self.model = Model(opset=24)
        self.model.product(2)
        self.refused("2 bits and blocks since version 25")

    def test_inner_graphs_are_refused(self):
        inner = Model()
        inner.product()
        node, = inner.nodes
        x = self.model.input(inner.feed[node.input[0]], TensorProto.FLOAT)
        node.input[0] = x
        node.output[0] = "inner"
        outer = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
        zero = helper.make_node("MatMul", [x, self.model.constant(np.zeros((80, 24), np.float32), "zeros")], ["other"])
        flag = self.model.constant(np.array(True), "flag")
        self.model.nodes.append(helper.make_node(
            "If", [flag], ["y"], then_branch=helper.make_graph([node], "a", [], [outer], inner.tensors),
            else_branch=helper.make_graph([zero], "b", [], [helper.make_tensor_value_info("other", TensorProto.FLOAT, None)])))
        self.model.output("y", TensorProto.FLOAT)
        self.refused(r"node 'y0' \(MatMulNBits\): it stands in a graph inside a node, and only nodes of the main graph")


if __name__ == "__main__":
    unittest.main()
