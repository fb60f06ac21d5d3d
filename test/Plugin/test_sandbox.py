# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""llmc compile --plugin-sandbox: what a method does wrong costs its matrix and not the command."""
from __future__ import annotations

import json
import subprocess
import unittest
from pathlib import Path

from installed import ROOT, Installed

MODEL = ROOT / "test/models/llama/optimum"
SOURCES = ROOT / "test/Unit/Plugin"


class Sandbox(Installed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for compiler, name in (("cc", "runs.c"), ("c++", "hostile.cpp"), ("c++", "hostile.cpp -DTHROWS"), ("cc", "table.c -DHANGS")):
            source, *flags = name.split()
            output = cls.folder / f"{flags[0][2:].lower() if flags else Path(source).stem}.so"
            subprocess.run([compiler, "-O2", "-shared", "-fPIC", f"-I{ROOT}/include", *flags, SOURCES / source, "-lm", "-o", output],
                           check=True, capture_output=True)

    def recipe(self, method: str, rest: str = "rtn") -> Path:
        """The method for the matrices q_proj, and another for the rest."""
        path = self.folder / f"{method}.yaml"
        path.write_text(f"quantize:\n  - {{match: '.*q_proj.*', method: {method}, format: i4g32}}\n"
                        f"  - {{method: {rest}, format: i4g32}}\n")
        return path

    def compile(self, method: str, *arguments, name: str = "", code: int = 0) -> str:
        plugin = method.split(".")[0]
        plugins = ["--plugin", self.folder / f"{plugin}.so"] if plugin != method else []
        return self.run_llmc("compile", MODEL, "-o", name or method, "--entry", "lm", "--recipe", self.recipe(method), *plugins, *arguments,
                             code=code)

    def weights(self, name: str) -> bytes:
        return (self.folder / name / "weights.safetensors").read_bytes()

    def test_what_goes_wrong_costs_its_matrices(self):
        self.compile("rtn")
        for method, arguments, reason in (
                ("runs.crashes", [], "it was ended by signal 6 (Aborted)"),
                ("runs.ends", [], "it ended the program, with exit code 0"),
                ("hostile.spins", ["--plugin-time-limit", "1"], "it did not return within 1 s"),
                ("hostile.grows", ["--plugin-memory-limit", "50"], "it wanted more than 50 MiB of memory")):
            with self.subTest(method):
                said = self.compile(method, "--plugin-sandbox", *arguments)
                self.assertEqual(said.count("llmc: warning: "), 3)
                self.assertRegex(said, rf"llmc: warning: '\S+q_proj\S+': method {method} of '.*\.so': ")
                self.assertIn(f"': {reason}; rtn compressed it instead\n", said)
                lines = json.loads((self.folder / method / "report.json").read_text())["tensors"]
                for line in lines:
                    if "q_proj" in line["name"]:
                        self.assertEqual((line["method"], line["note"]), ("rtn", reason))
                    else:
                        self.assertNotIn("note", line)
                self.assertEqual(self.weights(method), self.weights("rtn"))

    def test_errors_of_methods_stay_errors(self):
        for method, reason in (("runs.silent", "returned 1 without saying why"),
                               ("runs.wrong_code", "row 0, column 0: expected a code below 16 but got 16"),
                               ("hostile.throws", "threw an exception: not today")):
            for arguments in ([], ["--plugin-sandbox"]):
                with self.subTest(method, arguments=arguments):
                    self.assertRegex(self.compile(method, *arguments, code=1), rf"method {method} of '.*\.so': {reason}\n")
                    self.assertFalse((self.folder / method).exists())

    def test_same_bytes(self):
        self.compile("runs.right")
        for threads in "123":
            self.assertNotIn("warning", self.compile("runs.right", "--plugin-sandbox", "--threads", threads, name="apart"))
            self.assertEqual(self.weights("apart"), self.weights("runs.right"))
        for arguments in ([], ["--plugin-sandbox"]):
            self.run_llmc("compress", MODEL, "-o", f"m{len(arguments)}.onnx", "--recipe", self.recipe("runs.right"),
                          "--plugin", self.folder / "runs.so", *arguments)
        self.assertEqual((self.folder / "m0.onnx.data").read_bytes(), (self.folder / "m1.onnx.data").read_bytes())

    def test_plugins_that_do_harm_while_they_are_loaded(self):
        for name, reason in (("throws", "it threw an exception: not today"), ("hangs", "it did not return within 1 s")):
            said = self.run_llmc("compile", MODEL, "-o", "none", "--plugin", self.folder / f"{name}.so", "--plugin-sandbox",
                                 "--plugin-time-limit", "1", code=2)
            self.assertRegex(said, rf"^llmc: error: plugin '.*{name}.so': while it was loaded, {reason}\n$")
        self.assertIn("': while it was loaded, it threw an exception: not today",
                      self.run_llmc("plugin", "list", "--plugin", self.folder / "throws.so", code=2))

    def test_limits_are_those_of_a_sandbox(self):
        for limit in ("time", "memory"):
            self.assertIn(f"--plugin-{limit}-limit is one of --plugin-sandbox, which is not given",
                          self.run_llmc("compile", MODEL, "-o", "none", f"--plugin-{limit}-limit", "5", code=2))
        self.assertIn("expected --plugin-time-limit to be a whole number of 1 to",
                      self.run_llmc("compile", MODEL, "-o", "none", "--plugin-sandbox", "--plugin-time-limit", "x", code=2))


if __name__ == "__main__":
    unittest.main()
