# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The recipes of CONTRIBUTING.md are followed.

A block under a line that is a path in backticks is that file, or, as ```diff,
an edit of it: lines that begin with a blank or a minus must stand there, one
after the other and only once. All blocks are applied to a copy of the tree. What
they touch is compiled as the build compiles it and linked with the objects of
the build that stay as they were; then the tests that the blocks bring are run.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from td import ROOT

BUILD = Path(os.environ.get("LLMC_BUILD", ROOT / "build"))
# A fixed place, so that ccache knows what was compiled before.
SCRATCH = BUILD / "contributing"
TREE = SCRATCH / "tree"
LIT = Path("/usr/lib/llvm-22/bin/lit")
COPIED = ["dialects", "include", "lib", "passes", "test"]
# What is precompiled holds the ops.
PCH = "CMakeFiles/llmc_pch.dir/cmake_pch.hxx"
# These list all passes, and so depend on every recipe for one.
LISTS = ["lib/Driver/Registration.cpp"]


def blocks(text: str) -> list[tuple[str, str, str]]:
    """Path, language and lines of each block; a block right behind another one
    belongs to the same file."""
    found: list[tuple[str, str, str]] = []
    path = language = None
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if language is not None:
            if line == "```\n":
                if path is None:
                    raise AssertionError("a block without a path:\n" + "".join(lines))
                found.append((path, language, "".join(lines)))
                language = None
            else:
                lines.append(line)
        elif line.startswith("```"):
            language, lines = line[3:].strip(), []
        elif name := re.fullmatch(r"`([\w./-]+)`\n", line):
            path = name[1]
        else:
            path = None
    return found


def edited(text: str, diff: str) -> str:
    """`text` after the edit, whose place must be certain."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    if not old.strip() or text.count(old) != 1:
        raise AssertionError(f"expected these lines once but found them {text.count(old)} times:\n{old}")
    return text.replace(old, new)


def run(command, **options) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=300, **options)
    if done.returncode:
        raise AssertionError(f"{command}\n{done.stdout[-6000:]}")
    return done.stdout


def moved(command: str) -> str:
    """A command of the build, on the copy of the tree and its headers, the precompiled one too."""
    command = command.replace(f"{BUILD}/{PCH}.pch", f"{SCRATCH}/obj/pch")
    command = command.replace(f"{BUILD}/include", f"{SCRATCH}/include")
    for folder in COPIED:
        command = command.replace(f"{ROOT}/{folder}", f"{TREE}/{folder}")
    return command


def ninja_commands(target: str) -> list[str]:
    return run(["ninja", "-C", BUILD, "-t", "commands", target]).splitlines()


class Contributing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.blocks = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
        shutil.rmtree(SCRATCH, ignore_errors=True)
        ignored = shutil.ignore_patterns("models", "target", "__pycache__")
        for name in COPIED:
            shutil.copytree(ROOT / name, TREE / name, ignore=ignored)
        shutil.copy2(ROOT / ".clang-format", TREE)
        cls.apply()
        cls.build()

    @classmethod
    def apply(cls):
        cls.new, cls.touched = [], []
        for path, language, text in cls.blocks:
            file = TREE / path
            if language == "diff":
                file.write_text(edited(file.read_text(encoding="utf-8"), text), encoding="utf-8")
            else:
                if file.exists():
                    raise AssertionError(f"{path} exists already")
                file.write_text(text, encoding="utf-8")
                cls.new.append(path)
            if path not in cls.touched:
                cls.touched.append(path)

    @classmethod
    def build(cls):
        shutil.copytree(BUILD / "include", SCRATCH / "include")
        for folder in ("bin", "lib", "obj", "test"):
            (SCRATCH / folder).mkdir()
        for command in ninja_commands("llmc_tablegen"):
            if any(f"{ROOT}/{path} " in command for path in cls.touched if path.endswith(".td")):
                run(moved(command), shell=True, cwd=BUILD)

        known = {entry["file"]: entry for entry in json.loads((BUILD / "compile_commands.json").read_text())}
        precompile = known[f"{BUILD}/{PCH}.cxx"]["command"]
        run(moved(precompile.replace(f" -o {PCH}.pch ", f" -o {SCRATCH}/obj/pch ")), shell=True, cwd=BUILD)
        objects: dict[str, str] = {}  # of the build: ours
        added: dict[str, str] = {}  # beside which object of the build: ours
        commands = []
        for path in [p for p in cls.touched if p.endswith(".cpp")] + LISTS:
            entry = known.get(f"{ROOT}/{path}")
            command = entry["command"] if entry else None
            if command is None:
                # A new file is compiled like one beside it, which its folder's list must name.
                listed = (TREE / path).parent / "CMakeLists.txt"
                if not re.search(rf"\b{Path(path).name}\b", listed.read_text(encoding="utf-8")):
                    raise AssertionError(f"expected {listed} to name {Path(path).name}")
                sibling = next(e for f, e in sorted(known.items()) if Path(f).parent == ROOT / Path(path).parent)
                command = sibling["command"].replace(sibling["file"], f"{ROOT}/{path}")
            theirs = re.search(r" -o (\S+)", command)[1]
            ours = f"{SCRATCH}/obj/{path.replace('/', '_')}.o"
            (objects if entry else added)[theirs] = ours
            commands.append(moved(command.replace(f" -o {theirs} ", f" -o {ours} ")))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda c: run(c, shell=True, cwd=BUILD), commands))

        for target in ("lib/libllmc.so", "test/Unit/ImportTests"):
            path = Path(target)
            command = ninja_commands(target)[-1].replace(f" -o {target} ", f" -o {SCRATCH}/{path.parent.name}/{path.name} ")
            for theirs, ours in added.items():
                command = command.replace(f" {theirs} ", f" {theirs} {ours} ")
            for theirs, ours in objects.items():
                command = command.replace(f" {theirs} ", f" {ours} ")
            (SCRATCH / path.parent.name).mkdir(exist_ok=True)
            run(command.replace(" lib/libllmc.so ", f" {SCRATCH}/lib/libllmc.so "), shell=True, cwd=BUILD)
        for program in ("llmc", "llmc-opt"):
            shutil.copy2(BUILD / "bin" / program, SCRATCH / "bin")
        cls.environment = dict(os.environ, LD_LIBRARY_PATH=f"{SCRATCH}/lib", LLMC_BUILD=str(SCRATCH), PYTHONDONTWRITEBYTECODE="1")

    def of_kind(self, *suffixes: str) -> list[str]:
        found = [path for path in self.touched if path.endswith(suffixes)]
        self.assertTrue(found)
        return found

    def test_code_is_formatted(self):
        run(["clang-format-14", "--dry-run", "-Werror", *self.of_kind(".cpp")], cwd=TREE)

    def test_lit(self):
        site = (BUILD / "test/lit.site.cfg.py").read_text(encoding="utf-8")
        site = site.replace(f'"{ROOT}', f'"{TREE}').replace(f'"{BUILD}"', f'"{SCRATCH}"')
        site = site.replace(f'"{TREE}{str(BUILD)[len(str(ROOT)):]}"', f'"{SCRATCH}"')
        (SCRATCH / "test/lit.site.cfg.py").write_text(site, encoding="utf-8")
        tests = [path[len("test/"):] for path in self.of_kind(".mlir")]
        filters = "|".join(re.escape(test) + "$" for test in tests)
        said = run([LIT, "-v", SCRATCH / "test", "--filter", filters], env=self.environment)
        for test in tests:
            self.assertRegex(said, rf"PASS: llmc :: {re.escape(test)}")

    def test_unit(self):
        for path in [p for p in self.of_kind(".cpp") if p.startswith("test/Unit/")]:
            suite = re.search(r"TEST_F\((\w+),", (TREE / path).read_text(encoding="utf-8"))[1]
            said = run([SCRATCH / "Unit/ImportTests", f"--gtest_filter={suite}.*"], env=self.environment)
            self.assertRegex(said, r"\[  PASSED  \] [1-9]\d* test")

    def test_python(self):
        for path in self.of_kind(".py"):
            said = run([sys.executable, TREE / path, "-v"], env=self.environment, cwd=TREE)
            self.assertRegex(said, r"Ran [1-9]\d* test")

    def test_documentation(self):
        """What other tests ask of descriptions holds: rules and examples."""
        for name in ("test_rules", "test_examples"):
            run([sys.executable, "-m", "unittest", name], env=self.environment, cwd=TREE / "test/Scripts")
        known = run([SCRATCH / "bin/llmc-opt", "--help-hidden"], env=self.environment)
        for name in re.findall(r'Pass<"([\w-]+)"', "".join(text for _, _, text in self.blocks)):
            self.assertIn(f"--{name} ", known)

    def test_every_recipe_has_blocks(self):
        headings = re.findall(r"^### (.+)$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M)
        self.assertEqual(headings, ["Add an operation", "Add an importer", "Add a pass", "Add a test"])
        for kind in ("include/llmc/Dialect/", "lib/Import/", "passes/", "test/Unit/", "test/Import/"):
            self.assertTrue(any(path.startswith(kind) for path in self.touched), kind)


if __name__ == "__main__":
    unittest.main()
