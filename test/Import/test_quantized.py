# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Weights that arrive quantized, compiled in f32, against ONNX Runtime and
NumPy; blocks of GGUF files against the `gguf` package. One model holds many
nodes, so that there is one compile for each test."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import gguf
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

BUILD = Path(os.environ.get("LLMC_BUILD", Path(__file__).resolve().parents[2] / "build"))
LLMC = BUILD / "bin/llmc"


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Rows of integers into rows of bytes, the low bits first."""
    each = 8 // bits
    codes = np.pad(codes.astype(np.uint8) & (1 << bits) - 1, [(0, 0), (0, -codes.shape[1] % each)])
    parts = codes.reshape(len(codes), -1, each) << np.arange(0, 8, bits, dtype=np.uint8)
    return np.bitwise_or.reduce(parts, -1).astype(np.uint8)


def packed_tensor(name: str, codes: np.ndarray, kind: int) -> onnx.TensorProto:
    """A tensor of ONNX's integers of 4 bits."""
    return helper.make_tensor(name, kind, codes.shape, pack(codes.reshape(1, -1), 4).tobytes(), raw=True)


class Model:
    """Collects nodes with constant operands; each has an output of its own."""

    def __init__(self):
        self.nodes, self.inputs, self.outputs, self.tensors, self.feed = [], [], [], [], {}

    def constant(self, value) -> str:
        name = f"t{len(self.tensors)}"
        tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.ascontiguousarray(value), name)
        tensor.name = name
        self.tensors.append(tensor)
        return name

    def input(self, value: np.ndarray) -> str:
        name = f"x{len(self.inputs)}"
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, kind, value.shape))
        self.feed[name] = value
        return name

    def node(self, operator: str, operands: list, kind: int = TensorProto.FLOAT, domain: str = "", keep: bool = True,
             **attributes) -> str:
        names = ["" if o is None else o if isinstance(o, str) else self.constant(o) for o in operands]
        name = f"y{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], name=name, domain=domain, **attributes))
        if keep:
            self.outputs.append(helper.make_tensor_value_info(name, kind, None))
        return name

    def save(self, folder: Path) -> None:
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.tensors)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("ai.llmc", 1)]
        folder.mkdir(exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")


class Quantized(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="llmc-quantized-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.random = np.random.default_rng(5)
        self.model = Model()

    def llmc(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run(list(map(str, [LLMC, *arguments])), capture_output=True, text=True, timeout=120)

    def run_llmc(self, *options: str) -> dict[str, np.ndarray]:
        self.model.save(self.folder / "onnx")
        for name in ("bundle", "out"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        done = self.llmc("compile", self.folder / "onnx", "-o", self.folder / "bundle", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        given = []
        for name, value in self.model.feed.items():
            np.save(self.folder / f"{name}.npy", value)
            given += ["--input", f"{name}={self.folder / name}.npy"]
        done = self.llmc("run", self.folder / "bundle", *given, "--output-dir", self.folder / "out")
        self.assertEqual(done.returncode, 0, done.stderr)
        return {file.stem: np.load(file) for file in (self.folder / "out").glob("*.npy")}

    def formats(self) -> list[str]:
        """Of all weights of the bundle that was made last."""
        tensors = json.loads((self.folder / "bundle/manifest.json").read_text())["weights"]["tensors"]
        return sorted(tensor["layout"].split()[0] for tensor in tensors.values())

    def check_against_ort(self, tolerance: float = 1e-5) -> None:
        got = self.run_llmc()
        options = onnxruntime.SessionOptions()
        # Else it fuses products and rounds their left side to 8 bits.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(self.folder / "onnx/model.onnx"), options, ["CPUExecutionProvider"])
        names = [o.name for o in session.get_outputs()]
        for name, want in zip(names, session.run(None, self.model.feed)):
            self.assertEqual(got[name].shape, want.shape, name)
            error = np.abs(got[name].astype(np.float64) - want).max() / np.abs(want).max()
            self.assertLess(error, tolerance, self.describe(name))

    def describe(self, name: str) -> str:
        node = next(n for n in self.model.nodes if n.output[0] == name)
        return f"{node.op_type} {[(a.name, helper.get_attribute_value(a)) for a in node.attribute]}"

    def refusal(self) -> str:
        self.model.save(self.folder / "onnx")
        done = self.llmc("compile", self.folder / "onnx", "-o", self.folder / "bundle")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse((self.folder / "bundle").exists())
        return done.stderr

    def scales(self, *shape: int) -> np.ndarray:
        return (self.random.uniform(0.5, 1.5, shape) * self.random.choice([-1, 1], shape) / 8).astype(np.float32)

    def codes(self, bits: int, *shape: int) -> np.ndarray:
        return self.random.integers(0, 1 << bits, shape, dtype=np.uint8)

    def values(self, *shape: int) -> np.ndarray:
        return self.random.normal(size=shape).astype(np.float32)

    def n_bits(self, bits: int, block: int, rows: int, columns: int, zeros: str = "", bias: bool = False, **more) -> None:
        blocks = -(-columns // block)
        data = self.codes(8, rows, blocks, block * bits // 8)
        points = None
        if zeros == "packed":
            points = pack(self.codes(bits, rows, blocks), bits)
        elif zeros == "float":
            points = self.random.uniform(0, (1 << bits) - 1, (rows, blocks)).astype(np.float32)
        operands = [self.model.input(self.values(3, columns)), data, self.scales(rows, blocks), points, None,
                    self.values(rows) if bias else None]
        while operands[-1] is None:
            operands.pop()
        self.model.node("MatMulNBits", operands, domain="com.microsoft", K=columns, N=rows, bits=bits, block_size=block,
                        **{"accuracy_level": 1, **more})

    def test_matmul_n_bits(self):
        for bits in (2, 4, 8):
            for block, columns in ((16, 64), (32, 80), (128, 256), (256, 48)):
                self.n_bits(bits, block, 24, columns)
        for bits in (4, 8):
            for block, columns in ((16, 80), (32, 96), (64, 256)):
                self.n_bits(bits, block, 20, columns, zeros="packed", bias=True)
        self.n_bits(4, 32, 17, 96, zeros="float")
        self.n_bits(2, 32, 16, 160, zeros="packed")
        self.check_against_ort()

    def test_matmul_n_bits_of_halves(self):
        half = lambda *shape: self.values(*shape).astype(np.float16)
        for zeros in ([], [pack(self.codes(4, 16, 3), 4)]):
            self.model.node("MatMulNBits", [self.model.input(half(3, 96)), self.codes(8, 16, 3, 16),
                                            self.scales(16, 3).astype(np.float16), *zeros],
                            kind=TensorProto.FLOAT16, domain="com.microsoft", K=96, N=16, bits=4, block_size=32)
        self.check_against_ort(2e-3)  # of numbers of 11 bits

    def test_gather_block_quantized(self):
        rows = self.model.input(np.array([[3, 0, 9], [9, 5, 1]]))
        for bits, block, columns in ((4, 32, 96), (4, 16, 48), (8, 32, 64)):
            for zeros in (False, True):
                blocks = -(-columns // block)
                data = pack(self.codes(bits, 10, columns), bits)
                points = [pack(self.codes(bits, 10, blocks), bits)] if zeros else []
                self.model.node("GatherBlockQuantized", [data, rows, self.scales(10, blocks), *points],
                                domain="com.microsoft", bits=bits, block_size=block, gather_axis=0, quantize_axis=1)
        for kind, low in ((TensorProto.INT4, -8), (TensorProto.UINT4, 0)):
            codes = self.random.integers(low, low + 16, (10, 64))
            for zeros in (False, True):
                points = [packed_tensor("", self.random.integers(low, low + 16, (10, 2)), kind)] if zeros else []
                self.model.node("GatherBlockQuantized", [packed_tensor("", codes, kind), rows, self.scales(10, 2), *points],
                                domain="com.microsoft", block_size=32, gather_axis=0, quantize_axis=1)
        self.check_against_ort()

    def dequantize(self, codes, scales, zeros=None, **attributes) -> str:
        operands = [codes, scales] + ([] if zeros is None else [zeros])
        return self.model.node("DequantizeLinear", operands, keep=False, **attributes)

    def multiply(self, matrix: str, columns: int) -> None:
        self.model.node("MatMul", [self.model.input(self.values(2, columns)), matrix])

    def test_dequantize_linear(self):
        for dtype, low in ((np.int8, -128), (np.uint8, 0)):
            codes = self.random.integers(low, low + 256, (96, 24)).astype(dtype)

            def zeros(*shape):
                return self.random.integers(low, low + 256, shape).astype(dtype)

            self.multiply(self.dequantize(codes, self.scales()), 96)
            self.multiply(self.dequantize(codes, self.scales(1), zeros(1)), 96)
            self.multiply(self.dequantize(codes, self.scales(24), zeros(24), axis=1), 96)
            self.multiply(self.dequantize(codes, self.scales(96), axis=0), 96)
            self.multiply(self.dequantize(codes, self.scales(3, 24), zeros(3, 24), axis=0, block_size=32), 96)
            across = self.dequantize(codes.T, self.scales(24, 6), axis=-1, block_size=16)
            self.multiply(self.model.node("Transpose", [across], keep=False, perm=[1, 0]), 96)
        for kind, low in ((TensorProto.INT4, -8), (TensorProto.UINT4, 0)):
            for shape in ((96, 24), (64, 7)):  # rows of 7 do not begin with a byte
                codes = packed_tensor("", self.random.integers(low, low + 16, shape), kind)
                blocks = (shape[0] // 32, shape[1])
                zeros = packed_tensor("", self.random.integers(low, low + 16, blocks), kind)
                self.multiply(self.dequantize(codes, self.scales(*blocks), zeros, axis=0, block_size=32), shape[0])
        bias = self.dequantize(self.random.integers(-1000, 1000, 24).astype(np.int32), self.scales())
        self.model.node("Add", [self.model.input(self.values(2, 24)), bias])
        # Of what is computed.
        rows = self.model.input(self.random.integers(0, 255, (4, 6)).astype(np.int32))
        self.model.node("DequantizeLinear", [rows, self.scales()])
        self.check_against_ort()

    def test_blocks(self):
        want = {}
        for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"):
            kind = gguf.GGMLQuantizationType[name]
            columns, rows = 512, 9
            data = np.frombuffer(self.random.bytes(rows * columns // gguf.GGML_QUANT_SIZES[kind][0]
                                                   * gguf.GGML_QUANT_SIZES[kind][1]), np.uint8).copy().reshape(rows, -1)
            reals = {"Q6_K": [208]}.get(name, [0, 2] if name in ("Q4_1", "Q5_1", "Q4_K", "Q5_K") else [0])
            for at in reals:  # scales near 1
                blocks = data.reshape(rows, -1, gguf.GGML_QUANT_SIZES[kind][1])
                blocks[:, :, at + 1] = blocks[:, :, at + 1] & 0x83 | 0x38
            matrix = self.model.node("DequantizeBlocks", [data], domain="ai.llmc", type=name.lower(), shape=[rows, columns],
                                     keep=False)
            picked = self.model.node("Gather", [matrix, np.arange(rows)])
            want[picked] = gguf.quants.dequantize(data, kind).astype(np.float32)
        self.model.node("Identity", [self.model.input(self.values(1))])  # a model has an input
        for options in ([], ["--recipe", "keep"]):
            got = self.run_llmc(*options)
            for name, values in want.items():
                np.testing.assert_array_equal(got[name] + 0.0, values + 0.0)
        self.assertEqual(self.formats(), sorted(["i4g32", "u4g32", "i5g32", "u5g32", "i8g32", "u4g32.f16b-u6", "u5g32.f16b-u6",
                                                 "i6g16.f16b-i8", "nl4g32"]))

    def test_kept_as_they_come(self):
        for bits, block, columns, zeros in ((4, 32, 96, ""), (2, 16, 80, ""), (8, 64, 192, ""), (4, 128, 96, ""),
                                            (4, 32, 160, "packed"), (8, 32, 96, "packed"), (2, 64, 128, "packed")):
            self.n_bits(bits, block, 40, columns, zeros=zeros)
        matrix = self.dequantize(self.random.integers(-128, 128, (96, 24)).astype(np.int8), self.scales(24), axis=1)
        self.multiply(matrix, 96)
        matrix = self.dequantize(packed_tensor("", self.random.integers(-8, 8, (96, 24)), TensorProto.INT4), self.scales(3, 24),
                                 axis=0, block_size=32)
        self.multiply(matrix, 96)
        rows = self.model.input(np.array([[3, 0, 9], [9, 5, 1]]))
        picked = self.model.node("GatherBlockQuantized", [pack(self.codes(4, 10, 96), 4), rows, self.scales(10, 3),
                                                          pack(self.codes(4, 10, 3), 4)], domain="com.microsoft", block_size=32)
        want, got = self.run_llmc(), self.run_llmc("--recipe", "keep")
        self.assertEqual(self.formats(), sorted([
            "i4g32.f32", "i2g16.f32", "i8g64.f32", "i4row.f32", "u4g32.f32.zu4", "u8g32.f32.zi8", "u2g64.f32.zu4",
            "i8row.f32", "i4g32.f32", "u4g32.f32.zu4"]))
        self.assertEqual(got[picked].tobytes(), want[picked].tobytes())
        for name, values in want.items():
            # Inputs are rounded to 8 bits, weights are not.
            error = np.abs(got[name] - values).max() / np.abs(values).max()
            self.assertLess(error, 0.02, self.describe(name))

    def test_refused_with_node_and_reason(self):
        self.n_bits(4, 32, 16, 64)
        node = self.model.nodes[-1]
        node.input.extend(["", self.model.constant(np.zeros(64, np.int32))])
        self.assertRegex(self.refusal(), r"node 'y0' \(MatMulNBits, com.microsoft opset 1\): input 4, 'g_idx', .* is not "
                                         r"supported; quantize the model without reordering")
        cases = {
            "'bits' to be 2, 4 or 8 but got 3": {"bits": 3},
            "power of two from 16 on but got 24": {"block_size": 24},
            "attribute 'K' of 1 or more but got 0": {"K": 0},
            "expected codes of 16x3x16 but got 16x2x16": {"K": 96},
            "expected codes of 17x2x16": {"N": 17},
            "expected a size that fits 64 bits|expected codes of": {"N": 1 << 40},
        }
        for words, change in cases.items():
            with self.subTest(words):
                self.model = Model()
                self.n_bits(4, 32, 16, 64)
                node = self.model.nodes[-1]
                for name, value in change.items():
                    next(a for a in node.attribute if a.name == name).i = value
                self.assertRegex(self.refusal(), words)

    def test_refused_blocks(self):
        for words, kind, shape in (("to be one of q4_0, .* but got 'q4_2'", "q4_2", [4, 32]),
                                   ("expected blocks of 5x18 but got 4x18", "q4_0", [5, 32]),
                                   ("multiple of 32 columns", "q4_0", [4, 33]), ("multiple of 32", "q4_0", [4, 0]),
                                   ("multiple of 256", "q4_k", [1 << 62, 32])):
            with self.subTest(words):
                self.model = Model()
                self.model.input(self.values(1))
                self.model.node("DequantizeBlocks", [np.zeros((4, 18), np.uint8)], domain="ai.llmc", type=kind, shape=shape)
                self.assertRegex(self.refusal(), words)

    def test_computed_codes_are_refused(self):
        codes = self.model.input(self.codes(8, 16, 2, 16).astype(np.uint8))
        self.model.node("MatMulNBits", [self.model.input(self.values(3, 64)), codes, self.scales(16, 2)],
                        domain="com.microsoft", K=64, N=16, bits=4, block_size=32)
        self.assertRegex(self.refusal(), "expected constant codes; computed ones are not supported")


if __name__ == "__main__":
    unittest.main()
