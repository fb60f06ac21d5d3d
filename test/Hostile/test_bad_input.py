# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Files that lie, given to the commands: each ends with one clear error and
exit code 1 (2 for usage), in time, and leaves no bundle behind.

COVERED names for every kind of attack the tests that show it, most of them in
GoogleTest or lit; the test below it looks that each of them exists."""
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hostile import LLMC, MODELS, TEST, HostileCase, run

COVERED = {
    # Paths of external data.
    "1 parent folders and absolute paths": ["Hostile.ExternalAbsolutePath", "Hostile.ExternalParentPath", "Hostile.ExternalOddPaths"],
    "2 symbolic links": ["Hostile.ExternalSymbolicLink", "Hostile.ExternalSymbolicLinkOfFolder",
                         "BadInput.test_folder_may_be_a_link_but_nothing_in_it"],
    "3 hard links": ["Hostile.ExternalHardLink"],
    "4 paths to write to": ["BadInput.test_output_names_stay_in_their_folder", "Bundle.RefusesBadManifests",
                            "BadInput.test_other_folders_are_not_replaced"],
    "5 side doors to external data": ["Hostile.SparseInitializer", "Hostile.SparseConstant", "Hostile.ExternalInSideDoors"],
    # Numbers and lengths.
    "6 unknown keys, negative and huge lengths": ["Hostile.ExternalUnknownAndRepeatedEntries", "Hostile.LengthBeyondFile",
                                                  "Hostile.NegativeLength", "Hostile.EndlessNumber", "Hostile.ExternalOddNumbers"],
    "7 offsets past the end": ["Hostile.ExternalOffsetPastEnd", "Bundle.RefusesHostileSafetensors"],
    "8 tensors that share or hide bytes": ["Bundle.RefusesHostileSafetensors", "Hostile.ExternalLengthThatIsNotTheShape"],
    "9 sizes that overflow": ["Hostile.ShapeThatOverflows", "Bundle.RefusesHostileSafetensors", "Npy.RefusesHostileHeaders"],
    "10 rounding up that wraps": ["BadInput.test_states_that_no_memory_holds"],
    "11 counts and texts beyond the file": ["Hostile.EveryCut", "Npz.SurvivesEveryCutAndChange", "Hostile.LengthBeyondFile",
                                            "Bundle.RefusesCutFiles"],
    "12 numbers of the file as indices": ["Hostile.UnknownElementTypes", "Hostile.AttributesThatDoNotFit",
                                          "BadInput.test_end_tokens_outside_of_the_vocabulary"],
    "13 alignment, enumerations, keys twice": ["Hostile.OpsetTwice", "Hostile.TensorTwice", "Hostile.AttributesThatDoNotFit",
                                               "Bundle.RefusesHostileSafetensors", "Bundle.RefusesBadManifests"],
    "14 ranks, extents and names that cannot be": ["Hostile.RankTenThousand", "Hostile.NegativeExtent", "Hostile.DanglingInput",
                                                   "Hostile.Cycle", "Hostile.OutputThatNobodyComputes"],
    "15 headers with very many entries, gaps, overlaps": ["Bundle.RefusesHostileSafetensors",
                                                          "BadInput.test_header_of_many_entries"],
    # Graphs.
    "20 depth of graphs": ["Hostile.DeepGraphs", "Bundle.RefusesBadManifests", "BadInput.test_deep_configuration"],
    "21 functions that call themselves": ["Hostile.FunctionThatCallsItself"],
    "22 inference that explodes": ["Bombs.test_dimensions_that_double", "Bombs.test_dimensions_that_multiply",
                                   "Bombs.test_shapes_that_double", "Bombs.test_polynomials"],
    "23 graphs that explode": ["Hostile.FunctionsThatExplode", "Hostile.ShapeBombs", "Bombs.test_constants_that_grow",
                               "Bombs.test_long_chain"],
    "24 intermediate forms of others": ["BadInput.test_intermediate_forms_are_not_read"],
    # What the bundle is for.
    "cut, empty, foreign and random files": ["BadInput.test_files_that_are_no_model", "Hostile.EmptyFile", "Hostile.RandomBytes",
                                             "Fuzz.test_bytes_imported"],
    "bytes that do not match the shape": ["Hostile.FewerBytesThanShape", "Hostile.MoreBytesThanShape",
                                          "Hostile.FewerTypedValuesThanShape"],
    "unknown operator set, domain, type": ["Hostile.NewerOpset", "Hostile.OldOpset", "Hostile.UnknownDomain",
                                           "Hostile.UnknownElementTypes", "BadInput.test_all_unknown_operators_in_one_message"],
    "tokenizer that does not fit": ["Tokenizer.ChecksTheModelsVocabulary", "Driver/chat.test: FIT"],
    "changed byte in a bundle": ["Bundle.RefusesChangedCode", "Bundle.FindsAnyChangedByteOfAnyWeight", "Bundle.FindsChangedTexts",
                                 "Manifest.NoticesEveryChangedByte", "Bytes.test_texts_generated", "Bytes.test_arrays_computed",
                                 "Bytes.test_every_verb_looks"],
    "missing file of a bundle": ["Bundle.RefusesMissingFiles"],
    "bundle for another CPU": ["Bundle.RefusesAnotherProcessor", "Driver/info-bench.test: REFUSED"],
    "prompt longer than the context": ["Generate.RefusesBadPrompts", "Driver/generate.test: LONG"],
    "ids out of range": ["Generate.RefusesBadPrompts", "Driver/generate.test: VOCABULARY"],
    "weights that are not finite": ["Weights.test_numbers_that_are_not_finite", "Weights.test_every_bad_matrix_is_named",
                                    "Guards.NumbersThatAreNotFinite"],
    "zeros, constant groups, one row, groups larger than the row": ["Weights.test_zeros", "Weights.test_constant_groups",
                                                                    "Weights.test_one_row_one_column_and_short_rows",
                                                                    "Guards.ZeroRowsAndConstantGroups"],
    "scales beyond f16, or subnormal": ["Weights.test_scales_beyond_f16", "Weights.test_scales_that_are_subnormal",
                                        "Weights.test_columns_of_all_magnitudes"],
    "a recipe that fits nothing": ["Weights.test_recipes_that_fit_nothing"],
    "a run that is stopped": ["Stopped.test_goes_on_wherever_it_was_killed", "Stopped.test_killed_again_and_again",
                              "Stopped.test_signals_keep_the_work_and_say_so", "Stopped.test_two_at_once",
                              "Resume.test_disk_that_is_full", "Files.test_disk_that_is_full",
                              "ResumeOnnx.test_killed_between_its_two_files"],
    "a journal that lies, or of another run": ["Stopped.test_journals_that_lie", "Stopped.test_changed_bytes_are_found",
                                               "Stopped.test_other_runs_start_anew", "Stopped.test_a_journal_of_another_run",
                                               "Stopped.test_files_that_are_gone"],
    "a model larger than memory": ["Memory.test_model_larger_than_memory", "Memory.test_file_larger_than_memory"],
    "no half-written bundle": ["BadInput.test_interrupted_compilation_leaves_nothing",
                               "BadInput.test_killed_compilation_leaves_no_bundle", "BadInput.test_failed_compilation_keeps_the_old_bundle",
                               "BadInput.test_disk_that_is_full"],
}


class Coverage(unittest.TestCase):
    def test_every_named_test_exists(self):
        names = set()
        for path in (TEST / "Unit").rglob("*Test.cpp"):
            names.update(".".join(pair) for pair in re.findall(r"^TEST(?:_F|_P)?\((\w+), (\w+)\)", path.read_text(), re.M))
        for path in Path(__file__).parent.glob("*.py"):
            group = ""
            for line in path.read_text().splitlines():
                if found := re.match(r"class (\w+)[(:]", line):
                    group = found[1]
                if found := re.match(r"    def (test_\w+)\(", line):
                    names.add(f"{group}.{found[1]}")
        for path in TEST.rglob("*.test"):
            names.update(f"{path.relative_to(TEST)}: {label}" for label in re.findall(r"--check-prefix=([A-Z-]+)", path.read_text()))
        for attack, tests in COVERED.items():
            with self.subTest(attack):
                self.assertTrue(tests)
                self.assertEqual([t for t in tests if t not in names], [])


def model_of(nodes, inputs, outputs, initializers=(), opset: int = 18) -> bytes:
    def info(entry):
        name, kind, shape = entry
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(list(nodes), "g", list(map(info, inputs)), list(map(info, outputs)), list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9).SerializeToString()


F, I = TensorProto.FLOAT, TensorProto.INT64


def array(name: str, values) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


class BadInput(HostileCase):
    def test_files_that_are_no_model(self):
        good = (MODELS / "llama16/genai_fp32/model.onnx").read_bytes()
        noise = bytes((i * 197 + (i >> 3) * 31) & 255 for i in range(4096))
        cases = {"empty": (b"", "the file is empty"), "text": (b"This is no model.\n", "not a readable ONNX file"),
                 "zeros": (bytes(4096), "not a readable ONNX file"), "noise": (noise, "not a readable ONNX file"),
                 "cut": (good[:len(good) // 2], "not a readable ONNX file"), "elf": (LLMC.read_bytes()[:65536], "not a readable ONNX file")}
        for name, (content, part) in cases.items():
            with self.subTest(name):
                path = self.write(f"{name}.onnx", content)
                self.not_compiled(path, part)
                self.refused(run("info", path), part)

    def test_missing_model(self):
        self.not_compiled(self.folder / "none.onnx", "none.onnx")
        self.not_compiled(self.folder / "none", "none")

    def test_folder_may_be_a_link_but_nothing_in_it(self):
        # Caches of model hubs are made of links: the folder that is named may be one.
        real = self.folder / "real"
        shutil.copytree(MODELS / "llama16/genai_fp32", real)
        (self.folder / "link").symlink_to(real)
        done = run("compile", self.folder / "link", "--emit=nn", "-o", self.out / "nn.mlir")
        self.assertEqual(done.code, 0, done)
        (self.out / "nn.mlir").unlink()
        (real / "model.onnx.data").rename(self.folder / "away.data")
        (real / "model.onnx.data").symlink_to(self.folder / "away.data")
        self.not_compiled(real, "symbolic link", "model.onnx.data")

    def test_all_unknown_operators_in_one_message(self):
        nodes = [helper.make_node("Frob", ["x"], ["a"], name="first"), helper.make_node("Nicate", ["a"], ["y"], name="second")]
        path = self.write("model.onnx", model_of(nodes, [("x", F, [4])], [("y", F, [4])]))
        text = run("compile", path, "-o", self.out / "b").err
        self.not_compiled(path)
        for part in ("first", "Frob", "second", "Nicate"):
            self.assertIn(part, text)

    def test_intermediate_forms_are_not_read(self):
        # Foreign IR is hostile input to tools that were not made for it.
        forms = {"model.mlir": b"func.func @main() { return }\n", "model.ll": b"define void @main() { ret void }\n",
                 "model.bc": b"BC\xc0\xde" + bytes(64), "model.mlirbc": b"ML\xefR" + bytes(64)}
        for name, content in forms.items():
            with self.subTest(name):
                self.not_compiled(self.write(name, content), "not a readable ONNX file")

    def test_deep_configuration(self):
        model = self.folder / "model"
        shutil.copytree(MODELS / "llama16/genai_fp32", model)
        self.write("model/genai_config.json", "[" * 1000000)
        self.not_compiled(model, "genai_config.json")
        self.write("model/genai_config.json", b"\xff{")
        self.not_compiled(model, "genai_config.json")

    def test_output_names_stay_in_their_folder(self):
        bundle = self.toy()
        manifest = bundle / "manifest.json"
        for index, name in enumerate(("../evil", "/tmp/llmc-evil", "..", "a/b", ".profile")):
            content = manifest.read_text()
            manifest.write_text(content.replace('"name": "sum"', f'"name": "{name}"', 1))
            np.save(self.folder / "a.npy", np.ones(3, np.float32))
            place = self.folder / f"outputs{index}"
            done = run("run", bundle, "--input", f"a={self.folder / 'a.npy'}", "--input", f"b={self.folder / 'a.npy'}",
                       "--output-dir", place)
            self.assertEqual(done.code, 0, done)
            written = [p for p in place.rglob("*")]
            self.assertEqual(len(written), 1)
            self.assertEqual(written[0].parent, place)
            self.assertFalse(written[0].name.startswith("."))
            manifest.write_text(content)
        self.assertFalse(list(self.folder.glob("evil*")))
        self.assertFalse(Path("/tmp/llmc-evil.npy").exists())

    def test_other_folders_are_not_replaced(self):
        place = self.out / "bundle"
        (place / "papers").mkdir(parents=True)
        # Neighbors whose names are like those of temporary folders.
        for name in ("bundle.partial", "bundle.old"):
            (self.out / name).mkdir()
            (self.out / name / "letter").write_text("mine")
        done = run("compile", MODELS / "llama16/genai_fp32", "-o", place)
        self.refused(done, "exists and is no bundle")
        self.assertTrue((place / "papers").is_dir())
        (place / "papers").rmdir()
        for _ in range(2):  # new, and in place of the first
            done = run("compile", MODELS / "llama16/genai_fp32", "-o", place)
            self.assertEqual(done.code, 0, done)
        self.assertTrue((place / "manifest.json").is_file())
        for name in ("bundle.partial", "bundle.old"):
            self.assertEqual((self.out / name / "letter").read_text(), "mine")
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["bundle", "bundle.old", "bundle.partial"])

    def test_header_of_many_entries(self):
        bundle = self.toy()
        entries = {f"w{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100000)}
        text = json.dumps(entries).encode()
        text += b" " * (-(8 + len(text)) % 64)
        content = len(text).to_bytes(8, "little") + text
        (bundle / "weights.safetensors").write_bytes(content)
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["weights"]["bytes"] = len(content)
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        self.refused(run("generate", bundle, "--ids", "1"), "lacks the tensor 'w'")

    def test_states_that_no_memory_holds(self):
        bundle = self.toy()
        content = (bundle / "manifest.json").read_text()
        (bundle / "manifest.json").write_text(re.sub(r'("name": "context", "min": \d+, "max": )\d+', r"\g<1>4611686018427387903", content))
        done = run("generate", bundle, "--ids", "1", "--context", str(1 << 30), memory=1 << 30)
        self.refused(done, "out of memory", code=3)

    def test_end_tokens_outside_of_the_vocabulary(self):
        bundle = self.toy()
        content = (bundle / "manifest.json").read_text()
        (bundle / "manifest.json").write_text(content.replace('"eos": [2]', '"eos": [-5, 9223372036854775807]'))
        done = run("generate", bundle, "--ids", "1,5,9", "--max-tokens", "3")
        self.clean(done, "end tokens")

    #===-------------------------------------------------------------------===#
    # Whole bundles or none
    #===-------------------------------------------------------------------===#

    def start(self, *more: str) -> subprocess.Popen:
        def take_signals() -> None:
            # Whoever runs the tests in the background has them ignored.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)

        return subprocess.Popen([LLMC, "compile", MODELS / "llama/optimum", "-o", self.out / "bundle", "--entry", "all", *more],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=take_signals)

    def wait_for_writing(self, child: subprocess.Popen) -> None:
        """Until the weights are being written, which is in the middle."""
        deadline = time.monotonic() + 30
        while not any(self.out.iterdir()):
            self.assertIsNone(child.poll(), "the compiler ended too soon")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)

    def test_interrupted_compilation_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            child = self.start()
            self.wait_for_writing(child)
            child.send_signal(number)
            child.communicate(timeout=20)
            self.assertEqual(child.returncode, -number)
            self.assertEqual(list(self.out.iterdir()), [])

    def test_killed_compilation_leaves_no_bundle(self):
        child = self.start()
        self.wait_for_writing(child)
        child.kill()
        child.communicate(timeout=20)
        self.assertFalse((self.out / "bundle").exists())
        # And the next one clears away what is left.
        done = run("compile", MODELS / "llama16/genai_fp32", "-o", self.out / "bundle")
        self.assertEqual(done.code, 0, done)
        self.assertEqual([p.name for p in self.out.iterdir()], ["bundle"])

    def test_two_compilers_of_one_bundle(self):
        child = self.start()
        self.wait_for_writing(child)
        done = run("compile", MODELS / "llama16/genai_fp32", "-o", self.out / "bundle")
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 0)
        self.refused(done, "another llmc is writing")
        self.assertEqual([p.name for p in self.out.iterdir()], ["bundle"])

    def test_failed_compilation_keeps_the_old_bundle(self):
        bundle = self.out / "bundle"
        self.assertEqual(run("compile", MODELS / "llama16/genai_fp32", "-o", bundle).code, 0)
        before = {p.name: p.read_bytes() for p in bundle.iterdir()}
        broken = self.write("broken.onnx", b"This is no model.\n")
        self.refused(run("compile", broken, "-o", bundle), "not a readable ONNX file")
        self.assertEqual({p.name: p.read_bytes() for p in bundle.iterdir()}, before)
        self.assertEqual([p.name for p in self.out.iterdir()], ["bundle"])

    def test_disk_that_is_full(self):
        # A limit on the size of files stands for the disk: the weights do not fit.
        command = f"ulimit -f 16; exec '{LLMC}' compile '{MODELS / 'llama/optimum'}' -o '{self.out / 'bundle'}'"
        done = subprocess.run(["bash", "-c", f"trap '' XFSZ; {command}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("llmc: error: ", done.stderr)
        self.assertEqual(list(self.out.iterdir()), [])


class Bombs(HostileCase):
    """Small files that ask for much work: refused, or done in bounded time and memory."""

    def survives(self, content: bytes) -> None:
        path = self.write("model.onnx", content)
        for command in (("info", path), ("compile", path, "--emit=llvm", "-o", self.out / "m.mlir")):
            start = time.monotonic()
            done = run(*command, memory=4 << 30)
            self.clean(done, str(command[0]))
            self.assertLess(time.monotonic() - start, 20)

    def test_dimensions_that_double(self):
        # Every Concat doubles the extent; 2^62 and more at the end.
        nodes = [helper.make_node("Concat", [f"x{i}"] * 2, [f"x{i + 1}"], axis=0) for i in range(70)]
        self.survives(model_of(nodes, [("x0", F, ["n"])], [("x70", F, None)]))

    def test_dimensions_that_multiply(self):
        nodes = [helper.make_node("Shape", ["x"], ["s0"])]
        nodes += [helper.make_node("Mul", [f"s{i}"] * 2, [f"s{i + 1}"]) for i in range(64)]
        nodes += [helper.make_node("Reshape", ["x", "s64"], ["y"])]
        self.survives(model_of(nodes, [("x", F, ["n"])], [("y", F, None)]))

    def test_shapes_that_double(self):
        # A vector of extents that doubles in length: 2^40 elements.
        nodes = [helper.make_node("Shape", ["x"], ["s0"])]
        nodes += [helper.make_node("Concat", [f"s{i}"] * 2, [f"s{i + 1}"], axis=0) for i in range(40)]
        nodes += [helper.make_node("ReduceProd", ["s40"], ["p"], keepdims=1), helper.make_node("Reshape", ["x", "p"], ["y"])]
        self.survives(model_of(nodes, [("x", F, ["n", "m"])], [("y", F, None)]))

    def test_polynomials(self):
        # (a + b + c + d)^(2^k): the expanded polynomial has very many terms.
        nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ReduceSum", ["s"], ["p0"], keepdims=1)]
        nodes += [helper.make_node("Mul", [f"p{i}"] * 2, [f"p{i + 1}"]) for i in range(12)]
        nodes += [helper.make_node("Expand", ["one", "p12"], ["y"])]
        self.survives(model_of(nodes, [("x", F, list("abcd"))], [("y", F, None)], [array("one", np.ones(1, np.float32))]))

    def test_constants_that_grow(self):
        big = array("s", [1 << 20, 1 << 11])
        fill = [helper.make_node("ConstantOfShape", ["s"], ["c"]), helper.make_node("Add", ["c", "c"], ["d"]),
                helper.make_node("ReduceSum", ["d"], ["y"], keepdims=0)]
        self.survives(model_of(fill, [], [("y", F, [])], [big]))
        tile = [helper.make_node("Tile", ["x", "r"], ["t"]), helper.make_node("ReduceSum", ["t"], ["y"], keepdims=0)]
        self.survives(model_of(tile, [("x", F, [8])], [("y", F, [])], [array("r", [1 << 40])]))
        span = [helper.make_node("Range", ["a", "b", "d"], ["y"])]
        scalars = [array("a", np.int64(0)), array("b", np.int64(1 << 60)), array("d", np.int64(1))]
        self.survives(model_of(span, [], [("y", I, None)], scalars))

    def test_long_chain(self):
        # Deep recursion over a graph would end in a signal.
        count = 20000
        nodes = [helper.make_node("Add", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(count)]
        path = self.write("model.onnx", model_of(nodes, [("x0", F, ["n"])], [(f"x{count}", F, ["n"])], [array("w", np.ones(1, np.float32))]))
        self.clean(run("info", path), "a long chain")
        # The same over extents, where inference asks from the end.
        nodes = [helper.make_node("Shape", ["x"], ["s0"])]
        nodes += [helper.make_node("Add", [f"s{i}", "one"], [f"s{i + 1}"]) for i in range(count)]
        nodes += [helper.make_node("Expand", ["w", f"s{count}"], ["y"])]
        path = self.write("model.onnx", model_of(nodes, [("x", F, ["n"])], [("y", F, None)],
                                                 [array("w", np.ones(1, np.float32)), array("one", [1])]))
        self.clean(run("info", path), "a long chain of extents")


if __name__ == "__main__":
    unittest.main()
