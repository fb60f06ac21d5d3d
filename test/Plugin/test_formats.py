# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Formats of plugins, in whole programs: plugins/mxfp4 against what the `onnx` package and its node cases say of
float4e2m1, and against the format of llmc of that name."""
from __future__ import annotations

import json
import shutil
import subprocess
import unittest
from pathlib import Path

import numpy as np
import onnx
from installed import BUILD, ROOT, Installed
from onnx import TensorProto, helper, numpy_helper

PLANES = """#include <llmc/Plugin/plugin.h>
static const llmc_chain scale = {.size = sizeof(llmc_chain), .real = LLMC_REAL_F32};
static const int8_t signs[3][8] = {{-1, 1, -1, 1, -1, 1, -1, 1}, {-1, -1, 1, 1, -1, -1, 1, 1}, {-1, -1, -1, -1, 1, 1, 1, 1}};
#define TERM(t) {.size = sizeof(llmc_term), .levels = signs[t], .lowest = -1, .highest = 1, .scale = &scale}
static const llmc_term terms[] = {TERM(0), TERM(1), TERM(2)};
static const llmc_format_definition formats[] = {{.size = sizeof(llmc_format_definition), .name = "bits.planes", .summary = "three planes of signs",
                                                  .bits = 3, .group = 64, .terms = terms, .term_count = 3}};
static const llmc_plugin plugin = {.size = sizeof(llmc_plugin), .abi = LLMC_PLUGIN_ABI, .needs = 2, .vendor = "bits", .version = "1.0",
                                   .formats = formats, .format_count = 1};
LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1(void) { return &plugin; }
"""
CASES = Path(onnx.__file__).parent / "backend/test/data/node"


def read_case(name: str, part: str) -> np.ndarray:
    return numpy_helper.to_array(onnx.load_tensor(CASES / name / "test_data_set_0" / f"{part}_0.pb")).astype(np.float32)


class Formats(Installed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plugin = cls.build(ROOT / "plugins/mxfp4", "mxfp4")

    def compile(self, name: str, weights: np.ndarray, text: str, *arguments: str) -> dict:
        """Compiles y = x W^T by a recipe; returns its one line of the report."""
        rows, columns = weights.shape
        node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
        x, y = (helper.make_tensor_value_info(side, TensorProto.FLOAT, ["n", extent]) for side, extent in (("x", columns), ("y", rows)))
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), self.folder / f"{name}.onnx")
        (self.folder / f"{name}.yaml").write_text(text)
        self.run_llmc("compile", f"{name}.onnx", "-o", name, "--recipe", f"{name}.yaml", *arguments)
        line, = json.loads((self.folder / name / "report.json").read_text())["tensors"]
        return line

    def recipe(self, name: str, more: str = "") -> str:
        plugins = f"plugins: [{self.plugin.relative_to(self.folder)}]\n" if name.startswith("example") else ""
        return f"{plugins}quantize: [{{method: rtn, format: {name}{more}}}]\n"

    def decode(self, name: str, columns: int) -> np.ndarray:
        """The matrix of a bundle, through its kernel: rows of the identity, not rounded."""
        np.save(self.folder / "identity.npy", np.eye(columns, dtype=np.float32))
        self.run_llmc("run", name, "--input", "x=identity.npy", "--output-dir", name + "-out")
        return np.load(self.folder / f"{name}-out/y.npy").T

    def stored(self, name: str) -> bytes:
        data = (self.folder / name / "weights.safetensors").read_bytes()
        return data[8 + int.from_bytes(data[:8], "little"):]

    def test_every_code_under_many_scales(self):
        """All 16 codes of float4e2m1 as `onnx` reads them, under scales that float8e8m0 has: stored exactly."""
        codes = np.tile(np.r_[np.arange(16), np.arange(16)].astype(np.uint8), (60, 3))
        packed = (codes[:, 0::2] | codes[:, 1::2] << 4).tobytes()
        elements = numpy_helper.to_array(TensorProto(data_type=TensorProto.FLOAT4E2M1, dims=codes.shape, raw_data=packed))
        exponents = np.random.default_rng(1).integers(97, 158, (60, 3), dtype=np.uint8)
        scales = numpy_helper.to_array(TensorProto(data_type=TensorProto.FLOAT8E8M0, dims=exponents.shape, raw_data=exponents.tobytes()))
        weights = elements.astype(np.float32) * np.repeat(scales.astype(np.float32), 32, axis=1)
        self.assertEqual(len(np.unique(elements.astype(np.float32))), 15)
        line = self.compile("codes", weights, self.recipe("example.mxfp4", ", activations: f32"))
        self.assertEqual((line["format"], line["relative_error"]), ("example.mxfp4g32", 0))
        np.testing.assert_array_equal(self.decode("codes", 96) + 0.0, weights + 0.0)

    def test_node_cases_of_onnx(self):
        """What the cases Cast and DequantizeLinear expect of float4e2m1 is a matrix that the format holds."""
        for case in ("test_cast_FLOAT4E2M1_to_FLOAT", "test_castlike_FLOAT4E2M1_to_FLOAT", "test_dequantizelinear_float4e2m1"):
            expected = read_case(case, "output").ravel()
            self.assertGreater(np.count_nonzero(expected), 3)
            # The largest number of a group must be one, so that the scale is 1 or that of the case.
            scale = 1.0
            if "dequantize" in case:
                scale = float(numpy_helper.to_array(onnx.load_tensor(CASES / case / "test_data_set_0/input_1.pb")))
            group = np.zeros(32, np.float32)
            group[:2] = 6 * scale, -6 * scale
            weights = np.tile(group, (2, -(-expected.size // 30)))
            free = np.arange(weights.shape[1]) % 32 > 1
            row = weights[0][free]
            row[:expected.size] = expected
            weights[0][free] = row
            self.compile(case, weights, self.recipe("example.mxfp4", ", activations: f32"))
            np.testing.assert_array_equal(self.decode(case, weights.shape[1]) + 0.0, weights + 0.0, err_msg=case)

    def test_same_as_the_built_in_format(self):
        weights = np.random.default_rng(2).standard_normal((70, 300)).astype(np.float32)
        np.save(self.folder / "x.npy", np.random.default_rng(3).standard_normal((9, 300)).astype(np.float32))
        # The source of the formats of llmc, as a plugin of the vendor 'same'.
        same = BUILD / "test/Unit/plugins/same_formats.so"
        cases = [("mxfp4", "example.mxfp4", more) for more in ("", ", activations: i16", ", activations: f32")]
        cases += [(name, "same." + name, "") for name in ("u4g64", "nf4g32", "i6g16.f16b-i8", "i8row", "t2g32")]
        for own, other, more in cases:
            lines = [self.compile(name, weights, self.recipe(format, more), "--plugin", same) for name, format in (("own", own), ("other", other))]
            self.assertEqual(lines[0]["relative_error"], lines[1]["relative_error"])
            self.assertEqual(lines[1]["format"].split(".")[0], other.split(".")[0])
            self.assertEqual(self.stored("own"), self.stored("other"))
            for name in ("own", "other"):
                self.run_llmc("run", name, "--input", "x=x.npy", "--output-dir", name + "-out")
            results = [np.load(self.folder / f"{name}-out/y.npy") for name in ("own", "other")]
            np.testing.assert_array_equal(*results, err_msg=other + more)

    def test_bundles_run_without_the_plugin(self):
        """Tables, products and attention of a language model: after the plugin is gone."""
        plugin = self.folder / "gone.so"
        shutil.copy(self.plugin, plugin)
        (self.folder / "lm.yaml").write_text("plugins: [gone.so]\nquantize: [{method: mse, format: example.mxfp4}]\n")
        (self.folder / "known.yaml").write_text("quantize: [{method: mse, format: mxfp4}]\n")
        for name in ("lm", "known"):
            self.run_llmc("compile", ROOT / "test/models/llama/optimum", "-o", name, "--recipe", f"{name}.yaml", "--entry", "lm")
        plugin.unlink()
        self.assertIn("example.mxfp4g32", self.run_llmc("info", "lm"))
        self.assertIn("example.mxfp4g32", (self.folder / "lm/manifest.json").read_text())
        self.assertEqual(self.stored("lm"), self.stored("known"))
        said = {name: self.run_llmc("generate", name, "--ids", "1,2,3", "--max-tokens", "8").splitlines()[0] for name in ("lm", "known")}
        self.assertEqual(said["lm"], said["known"])
        self.assertEqual(said["lm"].count(","), 7)
        said = self.run_llmc("compile", ROOT / "test/models/llama/optimum", "-o", "lm", "--recipe", "lm.yaml", "--entry", "lm", code=2)
        self.assertIn("gone.so", said)
        (self.folder / "lm.yaml").write_text("quantize: [{method: mse, format: example.mxfp4}]\n")
        said = self.run_llmc("compile", ROOT / "test/models/llama/optimum", "-o", "lm", "--recipe", "lm.yaml", "--entry", "lm", code=2)
        self.assertIn("format 'example.mxfp4': ", said)
        self.assertIn("--plugin FILE loads those of a plugin", said)

    def test_sums_of_products(self):
        """Three planes of signs (W = a A + b B + c C), from a recipe to the product, and in a sandbox."""
        planes, same = self.folder / "planes.so", BUILD / "test/Unit/plugins/same.so"
        (self.folder / "planes.c").write_text(PLANES)
        subprocess.run(["cc", "-shared", "-fPIC", f"-I{self.prefix}/include", "planes.c", "-o", planes], cwd=self.folder, check=True)
        weights = np.random.default_rng(5).standard_normal((24, 192)).astype(np.float32)
        x = np.random.default_rng(6).standard_normal((9, 192)).astype(np.float32)
        np.save(self.folder / "x.npy", x)
        text = "quantize: [{method: METHOD, format: bits.planes, activations: f32}]\n"
        line = self.compile("sums", weights, text.replace("METHOD", "mse"), "--plugin", planes)
        self.assertEqual(line["format"], "bits.planesg64")
        stored = self.decode("sums", 192)
        error = np.linalg.norm(stored - weights) / np.linalg.norm(weights)
        self.assertAlmostEqual(line["relative_error"], error, 5)
        # Greedy planes (Guo et al., Network Sketching, 2017): the signs of what is left, and the mean of its magnitudes.
        rest = weights.astype(np.float64).reshape(-1, 64)
        for _ in range(3):
            rest = rest - np.where(rest < 0, -1, 1) * np.abs(rest).mean(1, keepdims=True)
        self.assertLess(error, 0.97 * np.linalg.norm(rest) / np.linalg.norm(weights))
        for group in stored.reshape(-1, 64):
            numbers = np.unique(np.round(group / np.abs(group).max(), 5))
            self.assertLessEqual(len(numbers), 8)
            self.assertGreater(len(numbers), 4)
        self.run_llmc("run", "sums", "--input", "x=x.npy", "--output-dir", "sums-out")
        np.testing.assert_allclose(np.load(self.folder / "sums-out/y.npy"), x.astype(np.float64) @ stored.T.astype(np.float64), rtol=1e-4, atol=1e-4)
        # The method as one of a plugin, beside the compiler and in a process of its own.
        for name, more in (("beside", ()), ("apart", ("--plugin-sandbox",))):
            self.compile(name, weights, text.replace("METHOD", "same.mse"), "--plugin", planes, "--plugin", same, *more)
            self.assertEqual(self.stored(name), self.stored("sums"))
        (self.folder / "hqq.yaml").write_text(text.replace("METHOD", "hqq"))
        said = self.run_llmc("compile", "sums.onnx", "-o", "none", "--recipe", "hqq.yaml", "--plugin", planes, code=1)
        self.assertIn("even levels with a minimum, such as u4g64, but got 'bits.planesg64'", said)
        ternary = self.build(ROOT / "plugins/ternary", "ternary")
        (self.folder / "other.yaml").write_text(text.replace("METHOD", "example.ternary"))
        said = self.run_llmc("compile", "sums.onnx", "-o", "none", "--recipe", "other.yaml", "--plugin", planes, "--plugin", ternary, code=2)
        self.assertIn("format 'bits.planesg64' is a sum of 3 products, which method 'example.ternary' does not make", said)
        report = json.loads(self.run_llmc("plugin", "check", planes, "--json"))
        self.assertTrue(report["passed"])
        values, = (c["text"] for c in report["checks"] if (c["format"], c["check"]) == ("as it is", "values"))
        self.assertIn("each number at its nearest of sums of 3 products", values)

    def test_list_and_check(self):
        said = json.loads(self.run_llmc("plugin", "list", "--json", "--plugin", self.plugin))
        format, = [f for f in said["formats"] if "plugin" in f]
        self.assertEqual((format["name"], format["bits"], format["group"], format["terms"][0]["scale"]), ("example.mxfp4", 4, 32, "e8m0"))
        known, = [f for f in said["formats"] if f["name"] == "e2m1"]
        self.assertEqual(format["terms"][0]["levels"], known["terms"][0]["levels"])
        report = json.loads(self.run_llmc("plugin", "check", self.plugin, "--json"))
        self.assertTrue(report["passed"])
        status = {(c["method"], c["format"], c["check"]): c["status"] for c in report["checks"]}
        for group in ("as it is", "g64", "row"):
            for check in ("values", "int8", "int16", "float", "rows"):
                self.assertEqual(status["example.mxfp4", group, check], "ok")
        # Whose table transforms columns; one of its formats is a sum of two products.
        said = self.run_llmc("plugin", "list", "--plugin", BUILD / "test/Unit/plugins/formats_hadamard.so")
        self.assertIn("codes of 4 bits, groups of 64, scale f16, Hadamard transform of 64 columns", " ".join(said.split()))
        report = json.loads(self.run_llmc("plugin", "check", BUILD / "test/Unit/plugins/formats_hadamard.so", "--json"))
        self.assertTrue(report["passed"])
        self.assertEqual({(c["format"], c["check"]) for c in report["checks"] if c["method"] == "forms.four" and c["status"] == "ok"},
                         {(g, c) for g in ("as it is", "g64", "row") for c in ("values", "int8", "int16", "float", "rows")})

    def test_template(self):
        """plugins/template/format-c with a name in the place of @NAME@."""
        folder = self.folder / "ours"
        folder.mkdir()
        for file in (ROOT / "plugins/template/format-c").iterdir():
            text = file.read_text(encoding="utf-8").replace("@NAME@", "ours")
            (folder / file.name.replace("@NAME@", "ours")).write_text(text)
        plugin = self.build(folder, "ours")
        weights = np.random.default_rng(4).standard_normal((40, 96)).astype(np.float32)
        text = f"plugins: [{plugin.relative_to(self.folder)}]\nquantize: [{{method: mse, format: ours.squaresg48.f32r-u8}}]\n"
        line = self.compile("squares", weights, text)
        self.assertEqual(line["format"], "ours.squaresg48.f32r-u8")
        self.assertLess(line["relative_error"], 0.4)


if __name__ == "__main__":
    unittest.main()
