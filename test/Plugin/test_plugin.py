# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plugins against an installed llmc, in a folder that was moved after the installation."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import unittest

import numpy as np
import onnx
from installed import ROOT, Installed
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS, GROUP = 64, 80, 32


def ternary(weights: np.ndarray, threshold: str) -> np.ndarray:
    """What the method should store: by trying every threshold, in f64, with scales of f16."""
    decoded = np.zeros_like(weights, dtype=np.float64)
    for row in range(weights.shape[0]):
        for begin in range(0, weights.shape[1], GROUP):
            group = weights[row, begin:begin + GROUP].astype(np.float64)
            size = np.abs(group)
            if threshold == "best":
                errors = {}
                for cut in size:
                    scale = size[size >= cut].mean()
                    errors[scale] = np.sum((group - np.where(size >= cut, np.sign(group) * scale, 0)) ** 2)
                scale = min(errors, key=errors.get)
            else:
                above = size[size > 0.7 * size.mean()]
                scale = above.mean() if above.size else 0
            stored = float(np.float16(scale))
            decoded[row, begin:begin + GROUP] = np.where(size > stored / 2, np.sign(group) * stored, 0)
    return decoded


class Methods(Installed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plugin = cls.build(ROOT / "plugins/ternary", "ternary")

    def test_nothing_names_the_first_folder(self):
        for path in (self.prefix / "lib/cmake/llmc").iterdir():
            self.assertNotIn(str(self.folder), path.read_text(encoding="utf-8"))
        self.assertNotIn(str(self.folder), (self.prefix / "lib/pkgconfig/llmc-plugin.pc").read_text(encoding="utf-8"))
        self.assertIn("llmc ", self.run_llmc("--version"))

    def test_check_prints_json(self):
        report = json.loads(self.run_llmc("plugin", "check", self.plugin, "--json"))
        self.assertTrue(report["passed"])
        status = {(c["format"], c["check"]): c["status"] for c in report["checks"]}
        self.assertEqual(status["t2g32", "bounds"], "ok")
        self.assertEqual(status["u4g32", "accuracy"], "not taken")

    def test_errors_are_those_of_numpy(self):
        random = np.random.default_rng(5)
        weights = (random.standard_normal((ROWS, COLUMNS)) * np.exp(random.standard_normal((1, COLUMNS)))).astype(np.float32)
        weights[3, :GROUP] = 0
        node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", extent]) for name, extent in (("x", COLUMNS), ("y", ROWS)))
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), self.folder / "m.onnx")
        inputs = random.standard_normal((5, COLUMNS)).astype(np.float32)
        np.save(self.folder / "x.npy", inputs)
        relative = {}
        for threshold in ("best", "mean"):
            recipe = self.folder / f"{threshold}.yaml"
            recipe.write_text(f"plugins: [{self.plugin.relative_to(self.folder)}]\nquantize:\n"
                              f"  - {{method: example.ternary, format: t2g32, threshold: {threshold}, activations: f32}}\n")
            self.run_llmc("compile", "m.onnx", "-o", threshold, "--recipe", recipe)
            report = json.loads((self.folder / threshold / "report.json").read_text())
            self.assertRegex(*report["plugins"], r"^example 1\.0, [0-9a-f]{32}$")
            line, = report["tensors"]
            self.assertEqual(line["method"], "example.ternary")
            decoded = ternary(weights, threshold)
            relative[threshold] = np.linalg.norm(decoded - weights) / np.linalg.norm(weights)
            self.assertAlmostEqual(line["relative_error"], relative[threshold], delta=1e-6)
            self.run_llmc("run", threshold, "--input", "x=x.npy", "--output-dir", threshold + "-out")
            got = np.load(self.folder / f"{threshold}-out/y.npy")
            np.testing.assert_allclose(got, inputs.astype(np.float64) @ decoded.T, rtol=1e-4, atol=1e-4)
        self.assertLess(relative["best"], relative["mean"])

    def test_same_bytes_with_any_number_of_threads(self):
        recipe = self.folder / "threads.yaml"
        recipe.write_text("quantize: [{method: example.ternary, format: t2g32}]\n")
        stored = set()
        for threads in "123":
            self.run_llmc("compile", ROOT / "test/models/llama/optimum", "-o", "t" + threads, "--recipe", recipe, "--plugin", self.plugin,
                          "--threads", threads, "-q", "--entry", "lm")
            stored.add((self.folder / ("t" + threads) / "weights.safetensors").read_bytes())
        self.assertEqual(len(stored), 1)

    def test_folders_of_the_environment(self):
        folder = self.folder / "folder"
        folder.mkdir()
        shutil.copy(self.plugin, folder)
        done = subprocess.run([self.llmc, "plugin", "list", "--json"], check=True, capture_output=True, text=True,
                              env=dict(os.environ, LLMC_PLUGIN_PATH=f"{folder}:"))
        plugin, = json.loads(done.stdout)["plugins"]
        self.assertEqual((plugin["vendor"], plugin["version"], plugin["file"]), ("example", "1.0", str((folder / "ternary.so").resolve())))
        (folder / "broken.so").write_bytes(self.plugin.read_bytes()[:2000])
        done = subprocess.run([self.llmc, "compile", "none.onnx", "-o", "b"], capture_output=True, text=True,
                              env=dict(os.environ, LLMC_PLUGIN_PATH=str(folder)))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^llmc: error: plugin '.*/broken.so': the file is cut short: ")

    def test_wrong_options_show_their_help(self):
        recipe = self.folder / "wrong.yaml"
        recipe.write_text("quantize: [{method: example.ternary, format: t2g32, threshold: worst}]\n")
        said = self.run_llmc("compile", "none.onnx", "-o", "b", "--recipe", recipe, "--plugin", self.plugin, code=2)
        self.assertIn("option 'threshold' of example.ternary: expected one of best, mean but got 'worst' (which numbers become 0", said)

    def test_formats_that_do_not_fit_name_weight_and_plugin(self):
        recipe = self.folder / "format.yaml"
        recipe.write_text("quantize: [{method: example.ternary, bits: 4}]\n")
        said = self.run_llmc("compile", ROOT / "test/models/llama/optimum", "-o", "b", "--recipe", recipe, "--plugin", self.plugin,
                             "--entry", "lm", code=1)
        self.assertRegex(said, r"'[\w.]+': method example.ternary of '.*ternary.so': expected levels -1, 0 and 1, as 'ternary' has them, "
                               r"but got format 'u4g64'")

    def test_pkg_config(self):
        flags = subprocess.run(["pkg-config", "--cflags", "llmc-plugin"], check=True, capture_output=True, text=True,
                               env=dict(os.environ, PKG_CONFIG_PATH=str(self.prefix / "lib/pkgconfig"))).stdout.split()
        library = self.folder / "by-hand.so"
        subprocess.run(["cc", "-std=c99", "-O2", "-shared", *flags, ROOT / "plugins/ternary/ternary.c", "-o", library], check=True)
        said = json.loads(self.run_llmc("plugin", "list", "--json", "--plugin", library))
        self.assertEqual([m["name"] for m in said["methods"] if "plugin" in m], ["example.ternary"])
        needed = subprocess.run(["readelf", "-d", library], check=True, capture_output=True, text=True).stdout
        self.assertNotIn("llmc", needed.replace("llmc_plugin", ""))


if __name__ == "__main__":
    unittest.main()
