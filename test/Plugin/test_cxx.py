# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plugins in C++ against an installed llmc: passes, importers, and what is refused before it is loaded."""
from __future__ import annotations

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from installed import ROOT, Installed

OBJCOPY = "/usr/lib/llvm-22/bin/llvm-objcopy"
SECTION = ".llmc.fingerprint"


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class Cxx(Installed):
    flags = ["-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror -ffunction-sections -fdata-sections",
             "-DCMAKE_MODULE_LINKER_FLAGS=-Wl,--gc-sections", f"-DPython3_EXECUTABLE={sys.executable}"]
    limit = 500

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gelu = cls.build(ROOT / "plugins/gelu-tanh", "gelu_tanh")
        cls.swiglu = cls.build(ROOT / "plugins/swiglu", "swiglu")

    #===-----------------------------------------------------------------===#
    # Passes
    #===-----------------------------------------------------------------===#

    def save_mlp(self, approximate: str, rng: np.random.Generator) -> Path:
        """y = W2 gelu(W1 x), the operator GELU of opset 20."""
        weights = [numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
                   for name, shape in (("w1", (24, 48)), ("w2", (48, 8)))]
        nodes = [helper.make_node("MatMul", ["x", "w1"], ["h"]), helper.make_node("Gelu", ["h"], ["a"], approximate=approximate),
                 helper.make_node("MatMul", ["a", "w2"], ["y"])]
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", extent]) for name, extent in (("x", 24), ("y", 8)))
        path = self.folder / f"mlp-{approximate}.onnx"
        onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights), ir_version=10,
                                    opset_imports=[helper.make_opsetid("", 20)]), path)
        return path

    def run_bundle(self, bundle: str, output: str, **inputs: np.ndarray) -> np.ndarray:
        arguments = []
        for name, values in inputs.items():
            np.save(self.folder / f"{name}.npy", values)
            arguments += ["--input", f"{name}={name}.npy"]
        self.run_llmc("run", bundle, *arguments, "--output-dir", f"{bundle}-out")
        return np.load(self.folder / f"{bundle}-out/{output}.npy")

    def test_gelu_becomes_its_tanh_form(self):
        exact, by_tanh = (self.save_mlp(kind, np.random.default_rng(3)) for kind in ("none", "tanh"))
        x = np.random.default_rng(4).standard_normal((7, 24)).astype(np.float32)
        want, other = (onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
                       for path in (by_tanh, exact))
        said = self.run_llmc("compile", exact, "-o", "mlp", "--plugin", self.gelu, "-v")
        self.assertIn("replaces exact GELU: the tanh form differs by 4.73e-04 at", said)
        self.assertRegex(said, r"after-fuse: pass example-gelu-tanh of '.*gelu_tanh.so', \d")
        got = self.run_bundle("mlp", "y", x=x)
        np.testing.assert_allclose(got, want, atol=2e-5)
        self.assertGreater(np.abs(got - other).max(), 1e-4)
        # And without the plugin it is exact.
        self.run_llmc("compile", exact, "-o", "exact")
        np.testing.assert_allclose(self.run_bundle("exact", "y", x=x), other, atol=2e-5)
        report = json.loads((self.folder / "mlp/report.json").read_text())
        line, = (line for line in report["passes"] if "plugin" in line)
        self.assertEqual((line["step"], line["pass"], line["bytes"]), ("after-fuse", "example-gelu-tanh", line["bytes_before"]))
        self.assertIn("example-gelu-tanh", (self.folder / "mlp/report.html").read_text())
        self.assertRegex(report["plugins"][0], r"^example 1\.0, [0-9a-f]{32}$")

    def test_bert_stays_close_to_onnx_runtime(self):
        model = ROOT / "test/models/bert/optimum"
        session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
        shape = (2, 9)
        inputs = {i.name: np.random.default_rng(5).integers(0, 90, shape) if i.name == "input_ids" else np.ones(shape, np.int64)
                  if i.name == "attention_mask" else np.zeros(shape, np.int64) for i in session.get_inputs()}
        output = session.get_outputs()[0].name
        want = session.run([output], inputs)[0]
        recipe = self.folder / "bert.yaml"
        recipe.write_text(f"plugins: [{self.gelu.relative_to(self.folder)}]\nquantize: []\n")
        apart = {}
        for bundle, options in (("bert-exact", []), ("bert-tanh", ["--recipe", recipe])):
            self.run_llmc("compile", model, "-o", bundle, *options)
            apart[bundle] = np.abs(self.run_bundle(bundle, output, **inputs) - want).max()
        self.assertLess(apart["bert-exact"], 2e-5)
        self.assertLess(apart["bert-tanh"], 5e-3)
        self.assertGreater(apart["bert-tanh"], apart["bert-exact"])

    def test_pipelines_are_those_of_llmc_opt(self):
        exact = self.save_mlp("none", np.random.default_rng(3))
        said = self.run_llmc("compile", exact, "-o", "printed", "--plugin", self.gelu, "--print-pipeline")
        pipeline, = re.findall(r"^after-fuse: (builtin.*)$", said, re.M)
        self.assertEqual(pipeline, "builtin.module(func.func(example-gelu-tanh{max-divergence=5.000000e-04 range=8.000000e+00}))")
        steps = re.findall(r"^([\w -]+): builtin\.module\(", said, re.M)
        self.assertLess(steps.index("fuse"), steps.index("after-fuse"))
        self.assertLess(steps.index("after-fuse"), steps.index("lower"))
        done = self.run_llmc(ROOT / "plugins/gelu-tanh/test/allowed.mlir", "--plugin", self.gelu, f"--pass-pipeline={pipeline}", program="llmc-opt")
        self.assertEqual(done.count("{tanh}"), 2)

    def test_passes_are_options_of_llmc_opt(self):
        self.assertNotIn("example-gelu-tanh", self.run_llmc("--help", program="llmc-opt"))
        for arguments, variables in (([f"--plugin={self.gelu}"], {}), (["--plugin", self.gelu, "--plugin", self.gelu], {}),
                                     ([], {"LLMC_PLUGIN_PATH": str(self.gelu.parent)})):
            text = self.run_llmc("--help", *arguments, program="llmc-opt", **variables)
            self.assertEqual(text.count("--example-gelu-tanh "), 1)
            self.assertIn("--max-divergence=<number>", text)
        self.assertIn("--plugin needs a FILE", self.run_llmc("--plugin", program="llmc-opt", code=2))
        self.assertIn("--plugin FILE loads plugins", self.run_llmc(f"--load-pass-plugin={self.gelu}", program="llmc-opt", code=2))
        self.assertIn("plugin 'none.so': cannot read it", self.run_llmc("--plugin", "none.so", program="llmc-opt", code=2))

    def test_check(self):
        for plugin, passed in ((self.gelu, ("example-gelu-tanh", "after-fuse")), (self.swiglu, ("example.ops.SwiGLU",))):
            report = json.loads(self.run_llmc("plugin", "check", plugin, "--json"))
            self.assertTrue(report["passed"])
            for name in passed:
                self.assertIn(name, {check["method"] for check in report["checks"]})
            self.assertEqual({check["status"] for check in report["checks"]}, {"ok"})

    def test_wrong_options_end_the_compilation(self):
        said = self.run_llmc(ROOT / "plugins/gelu-tanh/test/allowed.mlir", "--plugin", self.gelu, "--example-gelu-tanh=range=-1",
                             program="llmc-opt", code=1)
        self.assertIn("expected max-divergence of at least 0 and a range above 0", said)

    #===-----------------------------------------------------------------===#
    # Importers
    #===-----------------------------------------------------------------===#

    def save_swiglu(self, version: int, width: int = 12, **attributes) -> Path:
        node = helper.make_node("SwiGLU", ["x"], ["y"], name="glu", domain="example.ops", **attributes)
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", extent]) for name, extent in (("x", width), ("y", width // 2)))
        path = self.folder / "glu.onnx"
        onnx.save(helper.make_model(helper.make_graph([node], "g", [x], [y]), ir_version=10, opset_imports=[
            helper.make_opsetid("", 18), helper.make_opsetid("example.ops", version)]), path)
        return path

    def test_operators_of_others_compute_what_they_say(self):
        model = self.save_swiglu(1)
        said = self.run_llmc("compile", model, "-o", "none", code=1)
        self.assertIn("node 'glu' (SwiGLU, example.ops opset 1): the operator is not supported", said)
        self.assertIn("or load a plugin that brings it (--plugin FILE)", said)
        self.assertIn(said.splitlines()[-1], self.run_llmc("info", model, code=1))
        counted = json.loads(self.run_llmc("info", model, "--json", "--plugin", self.swiglu))["operators"]
        self.assertGreater(len(counted), 1)
        self.assertEqual(json.loads(self.run_llmc("info", model, "--json", LLMC_PLUGIN_PATH=str(self.swiglu.parent)))["operators"], counted)
        self.assertIn("plugin 'none.so': cannot read it", self.run_llmc("info", model, "--plugin", "none.so", code=2))
        x = (3 * np.random.default_rng(6).standard_normal((5, 12))).astype(np.float32)
        for version, attributes in ((1, {}), (1, {"alpha": 1.5}), (2, {"alpha": 1.25, "limit": 2.0})):
            with self.subTest(version=version, **attributes):
                self.run_llmc("compile", self.save_swiglu(version, **attributes), "-o", "glu", "--plugin", self.swiglu)
                gate, value = x.astype(np.float64)[:, :6], x.astype(np.float64)[:, 6:]
                if limit := attributes.get("limit"):
                    gate, value = np.minimum(gate, limit), np.clip(value, -limit, limit)
                want = gate * sigmoid(attributes.get("alpha", 1.0) * gate) * value
                np.testing.assert_allclose(self.run_bundle("glu", "y", x=x), want, rtol=1e-5, atol=1e-5)

    def test_operators_of_others_are_refused_with_a_reason(self):
        for version, width, attributes, reason in ((1, 12, {"limit": 1.0}, "unknown attribute 'limit'"),
                                                   (2, 12, {"limit": -1.0}, "expected a 'limit' of 0, which is none, or more"),
                                                   (1, 11, {}, "expected an even last extent that is known")):
            said = self.run_llmc("compile", self.save_swiglu(version, width, **attributes), "-o", "none", "--plugin", self.swiglu, code=1)
            self.assertIn(reason, said)
            self.assertIn("node 'glu' (SwiGLU, example.ops opset", said)

    #===-----------------------------------------------------------------===#
    # Projects to begin with
    #===-----------------------------------------------------------------===#

    def begin(self, kind: str, name: str) -> Path:
        """The files of a template under another name."""
        template, project = ROOT / "plugins/template" / kind, self.folder / name
        for path in sorted(template.rglob("*")):
            if path.is_file():
                target = project / str(path.relative_to(template)).replace("@NAME@", name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(path.read_text(encoding="utf-8").replace("@NAME@", name), encoding="utf-8")
        return project

    def test_templates_build_and_pass(self):
        for kind, name, part in (("pass-cpp", "my_pass", "--my_pass-fold-relu "), ("importer-cpp", "mine", "operator ScaledTanh of mine.ops")):
            with self.subTest(kind):
                plugin = self.build(self.begin(kind, name), name)
                self.assertIn(part, self.run_llmc("plugin", "list", "--plugin", plugin))

    #===-----------------------------------------------------------------===#
    # Lists
    #===-----------------------------------------------------------------===#

    def test_lists(self):
        said = json.loads(self.run_llmc("plugin", "list", "--json", "--plugin", self.gelu, "--plugin", self.swiglu))
        gelu, swiglu = said["plugins"]
        self.assertEqual(gelu["passes"], [{"name": "example-gelu-tanh", "summary": "Replace exact GELU by its tanh form where that is close enough",
                                           "pipeline": "example-gelu-tanh{max-divergence=5.000000e-04 range=8.000000e+00}"}])
        self.assertEqual(gelu["slots"], [{"slot": "after-fuse", "pipeline": "func.func(example-gelu-tanh)"}])
        self.assertEqual(swiglu["operators"], [{"domain": "example.ops", "operator": "SwiGLU", "since": n} for n in (1, 2)])
        text = self.run_llmc("plugin", "list", "--plugin", self.gelu, "--plugin", self.swiglu)
        for part in ("Passes and importers of '", "--example-gelu-tanh ", "in slot after-fuse: func.func(example-gelu-tanh)",
                     "operator SwiGLU of example.ops, since version 2"):
            self.assertIn(part, text)

    #===-----------------------------------------------------------------===#
    # What is refused before it is loaded
    #===-----------------------------------------------------------------===#

    def fingerprint(self) -> bytes:
        section = self.folder / "section"
        subprocess.run([OBJCOPY, f"--dump-section={SECTION}={section}", self.gelu, "/dev/null"], check=True)
        return section.read_bytes()

    def with_section(self, content: bytes | None) -> Path:
        """The plugin with another fingerprint, or with none. A section of another size does not fit its place, so it is put at the end."""
        changed, section = self.folder / "changed.so", self.folder / "section"
        subprocess.run([OBJCOPY, f"--remove-section={SECTION}", self.gelu, changed], check=True)
        if content is not None:
            section.write_bytes(content)
            subprocess.run([OBJCOPY, f"--add-section={SECTION}={section}", changed], check=True)
        return changed

    def refuse(self, content: bytes | None) -> str:
        said = self.run_llmc("plugin", "list", "--plugin", self.with_section(content), code=2)
        self.assertTrue(said.startswith(f"llmc: error: plugin '{self.folder}/changed.so': "), said)
        return said

    def test_every_field_of_the_fingerprint_counts(self):
        text = self.fingerprint()
        fields = [line.split("=") for line in text[:-1].decode().splitlines()]
        self.assertEqual([name for name, _ in fields], ["contract", "llmc", "headers", "llvm", "assertions", "library", "triple"])
        self.run_llmc("plugin", "list", "--plugin", self.with_section(text))
        for name, value in fields:
            other = ("x" if value[0] != "x" else "y") + value[1:]
            said = self.refuse(text.replace(f"{name}={value}".encode(), f"{name}={other}".encode()))
            row = re.search(rf"^  {name} +(\S.*?)  +(\S.*)$", said, re.M)
            self.assertEqual((row[1], row[2]), (other, value))
            self.assertRegex(said, r"\n  field +this plugin +this llmc\n")
            self.assertEqual(len(re.findall(r"^  \w", said, re.M)), 2, said)
            self.assertIn("build it again from an empty folder: cmake", said)

    def test_fingerprints_that_are_none(self):
        text = self.fingerprint()
        first, *_ = text.split(b"\n")
        pad = len(text)
        for content, reason in ((None, "has no section .llmc.fingerprint"),
                                (text[:-1] + b"\n", "expected one text with a zero at its end"),
                                (b"\0" * pad, "expected one text with a zero at its end"),
                                (b"\0", r"\n  contract +none +1\n"),
                                (b"", "expected 1 to 4096 bytes but got 0|has no section"),
                                (text + text, "expected one text with a zero at its end"),
                                (b"a=b\n" * 2000 + b"\0", "expected 1 to 4096 bytes but got 8001"),
                                (text[:30] + b"\0", "expected lines 'field=value' but got 'headers"),
                                (text[:-1] + first + b"\n\0", "expected each field once but got 'contract' twice"),
                                (text[:-1] + b"new=\x1b[1m\n\0", r"\n  new +\\1B\[1m +none\n"),
                                (b"\xff" * (pad - 1) + b"\0", r"expected lines 'field=value' but got '\\FF")):
            said = self.refuse(content)
            self.assertRegex(said, reason)
            self.assertTrue(said.replace("\n", "").isprintable(), said)

    def test_files_that_are_cut(self):
        whole = self.gelu.read_bytes()
        cut = self.folder / "cut.so"
        for length in (0, 3, 60, 500, len(whole) // 2, len(whole) - 64, len(whole) - 1):
            cut.write_bytes(whole[:length])
            said = self.run_llmc("plugin", "list", "--plugin", cut, code=2)
            self.assertRegex(said, r"^llmc: error: plugin '.*/cut\.so': \w")


if __name__ == "__main__":
    unittest.main()
