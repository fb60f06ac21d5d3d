# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""plugins/sweep, in Rust, finds the best scale there is: none of a fine grid is better."""
from __future__ import annotations

import json
import os
import subprocess
import unittest

import numpy as np
import onnx
from installed import ROOT, Installed
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS, GROUP = 12, 160, 64
LEVELS = {"i4g64": np.arange(-8.0, 8.0), "t2g64": np.array([-1.0, 0, 1])}


def best_error(group: np.ndarray, levels: np.ndarray) -> float:
    """The smallest squared error of all scales in a grid, of both signs."""
    if not group.any():
        return 0
    top = np.abs(group).max() / np.abs(levels).max()
    middles = (levels[1:] + levels[:-1]) / 2
    best = np.sum(group ** 2)
    for scale in np.concatenate([sign * np.linspace(0.3, 4, 8000) * top for sign in (1, -1)]):
        best = min(best, np.sum((group - scale * levels[np.searchsorted(middles, group / scale)]) ** 2))
    return best


class Sweep(Installed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        environment = dict(os.environ, LLMC=str(cls.llmc), RUSTFLAGS="-Dwarnings")
        for action in ("build", "test"):
            done = subprocess.run(["cargo", action, "--release", "--offline", "--locked", "--target-dir", cls.folder / "target"],
                                  cwd=ROOT / "plugins/sweep", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=500)
            assert done.returncode == 0, done.stdout
        assert "test check ... ok" in done.stdout, done.stdout
        cls.plugin = cls.folder / "target/release/libsweep.so"

    def error(self, method: str, layout: str) -> float:
        recipe = self.folder / "recipe.yaml"
        recipe.write_text(f"quantize: [{{method: {method}, format: {layout}}}]\n")
        self.run_llmc("compile", "m.onnx", "-o", "bundle", "--recipe", recipe, "--plugin", self.plugin)
        line, = json.loads((self.folder / "bundle/report.json").read_text())["tensors"]
        self.assertEqual(line["method"], method)
        return line["relative_error"]

    def test_no_scale_is_better(self):
        random = np.random.default_rng(11)
        weights = (random.standard_normal((ROWS, COLUMNS)) * np.exp(random.standard_normal((1, COLUMNS)) / 2)).astype(np.float32)
        weights[5, :GROUP] = 0
        weights[6, :GROUP] = np.abs(weights[6, :GROUP])
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", extent]) for name, extent in (("x", COLUMNS), ("y", ROWS)))
        node = helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), self.folder / "m.onnx")
        for layout in ("i4g64", "t2g64"):
            with self.subTest(layout):
                groups = [weights[row, begin:begin + GROUP].astype(np.float64) for row in range(ROWS) for begin in range(0, COLUMNS, GROUP)]
                best = np.sqrt(sum(best_error(group, LEVELS[layout]) for group in groups)) / np.linalg.norm(weights)
                got = self.error("example.sweep", layout)
                # Scales are stored in f16, and between two of the grid there may be a better one.
                self.assertLess(got, best * (1 + 1e-4))
                self.assertGreater(got, best * (1 - 1e-3))
                self.assertLess(got, self.error("mse", layout))
                self.assertLess(got, self.error("rtn", layout) * 0.95)


if __name__ == "__main__":
    unittest.main()
