# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""`llmc plugin check` with plugins that were built with sanitizers, by clang and by gcc."""
from __future__ import annotations

import json
import os
import subprocess
import unittest
from pathlib import Path

from installed import ROOT, Installed

SOURCE = ROOT / "test/Plugin/watched.c"
SHARED = {"clang-22": ["-shared-libsan"], "gcc": []}
RUNTIMES = {"clang-22": "libclang_rt.{}-x86_64.so", "gcc": "lib{}.so"}
WORDS = {"address": "asan", "thread": "tsan", "undefined": "ubsan"}
SHOWN = {"address": "AddressSanitizer", "thread": "ThreadSanitizer", "undefined": "UndefinedBehaviorSanitizer"}
LEAK = {("leak", "leaks")}
# What fails, beside the check that counts what runs leave behind.
FOUND = {"address": {("read", "accuracy"), ("read", "sanitizer"), ("leak", "sanitizer")},
         "thread": {("race", "sanitizer"), ("count", "sanitizer")},
         "undefined": {("overflow", "sanitizer")}}


def runtime(compiler: str, sanitizer: str) -> Path | None:
    """The library that is preloaded; none where it is not installed."""
    word = WORDS[sanitizer]
    if compiler == "clang-22" and word == "ubsan":
        word = "ubsan_standalone"
    try:
        path = subprocess.run([compiler, "-print-file-name=" + RUNTIMES[compiler].format(word)], check=True, capture_output=True,
                              text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return Path(path) if os.path.isabs(path) and os.path.exists(path) else None


class Sanitizers(Installed):
    def compile(self, compiler: str, sanitizer: str, *flags: str) -> Path:
        library = self.folder / f"{compiler}-{sanitizer.replace(',', '-')}.so"
        sanitize = [f"-fsanitize={sanitizer}"] if sanitizer != "none" else []
        subprocess.run([compiler, "-std=c99", "-O1", "-g", "-fno-omit-frame-pointer", "-shared", "-fPIC", "-fvisibility=hidden",
                        f"-I{self.prefix}/include", *sanitize, *flags, SOURCE, "-o", library, "-lm"], check=True)
        return library

    def failures(self, library: Path, **variables) -> dict[tuple[str, str], str]:
        report = json.loads(self.run_llmc("plugin", "check", library, "--json", code=1, **variables))
        self.checks = {(c["method"].split(".")[1], c["check"]): c for c in report["checks"] if c["format"] in ("i4g64", "metric")}
        return {key: c["text"] for key, c in self.checks.items() if c["status"] == "failed"}

    def expect_runtime(self, compiler: str, sanitizer: str) -> None:
        if not runtime(compiler, sanitizer):
            self.skipTest(f"no runtime of {SHOWN[sanitizer]} for {compiler}")

    def check(self, compiler: str, sanitizer: str) -> dict[tuple[str, str], str]:
        self.expect_runtime(compiler, sanitizer)
        found = self.failures(self.compile(compiler, sanitizer, *SHARED[compiler]))
        # What lies behind an array may be another thread's.
        chance = {("read", "sanitizer")} if sanitizer == "thread" else set()
        self.assertEqual(set(found) - chance, FOUND[sanitizer] | LEAK)
        good = self.checks["good", "sanitizer"]
        self.assertEqual((good["status"], good["text"]), ("ok", f"no report of {SHOWN[sanitizer]} in 9 checks"))
        return found

    def check_address(self, compiler: str) -> None:
        found = self.check(compiler, "address")
        read = found["read", "sanitizer"].splitlines()
        self.assertRegex(read[0], r"^in 'accuracy': AddressSanitizer: heap-buffer-overflow")
        self.assertRegex(read[1], "^READ of size 4 at ")
        self.assertRegex(read[2], r"^#0 in reads .*watched\.c:\d+")
        self.assertEqual(found["read", "accuracy"], "it was ended by a sanitizer, whose report is below")
        leak = found["leak", "sanitizer"]
        self.assertRegex(leak, r"^in '\w+': LeakSanitizer: direct leak of \d+ byte\(s\) in \d+ object\(s\) allocated from:\n")
        self.assertRegex(leak, r"\n#1 in leaks .*watched\.c:\d+")

    def check_thread(self, compiler: str) -> None:
        found = self.check(compiler, "thread")
        race = found["race", "sanitizer"]
        self.assertRegex(race, r"^in 'threads': ThreadSanitizer: data race\n")
        self.assertRegex(race, r"\n#0 in races .*watched\.c:\d+")
        self.assertIn("global 'rows'", race)
        self.assertIn("global 'rows_of_metric'", found["count", "sanitizer"])

    def check_undefined(self, compiler: str) -> None:
        found = self.check(compiler, "undefined")
        self.assertRegex(found["overflow", "sanitizer"], r"watched\.c:\d+:\d+: runtime error: signed integer overflow: (2147483647 \+ \d+|\d+ \+ 2147483647) cannot")

    def test_clang_address(self):
        self.check_address("clang-22")

    def test_clang_thread(self):
        self.check_thread("clang-22")

    def test_clang_undefined(self):
        self.check_undefined("clang-22")

    def test_gcc_address(self):
        self.check_address("gcc")

    def test_gcc_thread(self):
        self.check_thread("gcc")

    def test_gcc_undefined(self):
        self.check_undefined("gcc")

    def test_two_at_once(self):
        for compiler in ("clang-22", "gcc"):
            with self.subTest(compiler):
                self.expect_runtime(compiler, "address")
                found = self.failures(self.compile(compiler, "address,undefined", *SHARED[compiler]))
                self.assertEqual(set(found), FOUND["address"] | FOUND["undefined"] | LEAK)
                self.assertIn("no report of AddressSanitizer and UndefinedBehaviorSanitizer", self.checks["good", "sanitizer"]["text"])

    def test_without_a_sanitizer(self):
        """Only they find the faults; what is left behind is counted without them."""
        found = self.failures(self.compile("cc", "none"))
        self.assertEqual(set(found), LEAK)
        self.assertRegex(found["leak", "leaks"], r"but 20 of them left \d+ allocated bytes$")
        self.assertNotIn(("good", "sanitizer"), self.checks)

    def test_other_commands_say_what_they_need(self):
        self.expect_runtime("gcc", "address")
        library = self.compile("gcc", "address")
        said = self.run_llmc("plugin", "list", "--plugin", library, code=2)
        self.assertRegex(said, "^llmc: error: plugin '.*': it was built with AddressSanitizer, whose runtime must be there from the beginning")
        self.run_llmc("plugin", "list", "--plugin", library, LD_PRELOAD=str(runtime("gcc", "address")), ASAN_OPTIONS="detect_leaks=0")

    def test_finds_the_runtime(self):
        """Clang is asked, unless the library says where it is; where neither helps, the error does."""
        self.expect_runtime("clang-22", "address")
        path = runtime("clang-22", "address")
        # No name of a runtime, as clang links libraries by itself.
        self.assertTrue(self.failures(self.compile("clang-22", "address")))
        library = self.compile("clang-22", "address", "-shared-libsan")
        said = self.run_llmc("plugin", "check", library, code=2, PATH="/none")
        self.assertRegex(said, r"^llmc: error: plugin '.*': it was built with AddressSanitizer, and its runtime 'libclang_rt.asan-x86_64.so' is "
                               r"found neither beside it nor by clang-22 nor by clang; install it \(Debian: libclang-rt-22-dev\)")
        library = self.compile("clang-22", "address", "-shared-libsan", f"-Wl,-rpath,{path.parent}")
        self.assertIn(("read", "sanitizer"), self.failures(library, PATH="/none"))

    def test_runtimes_that_do_not_work(self):
        """One that cannot be preloaded, or ends the program."""
        self.expect_runtime("clang-22", "address")
        broken = self.folder / "broken"
        broken.mkdir()
        (self.folder / "ends.c").write_text('#include <stdio.h>\n#include <stdlib.h>\n__attribute__((constructor)) static void end(void) '
                                            '{ fputs("no place for shadows\\n", stderr); _Exit(66); }\n')
        name = broken / runtime("clang-22", "address").name
        library = self.compile("clang-22", "address", "-shared-libsan", f"-Wl,-rpath,{broken}")
        subprocess.run(["cc", "-shared", "-fPIC", self.folder / "ends.c", "-o", name], check=True)
        said = self.run_llmc("plugin", "check", library, code=2)
        self.assertRegex(said, f"AddressSanitizer, and llmc does not run with its runtime '{name}': no place for shadows; install")
        name.write_text("no library")
        said = self.run_llmc("plugin", "check", library, code=2)
        self.assertRegex(said, f"AddressSanitizer, and llmc does not run with its runtime '{name}': .*cannot be preloaded")

    def test_projects(self):
        """-DSANITIZE of what `llmc plugin new` writes."""
        for compiler in ("clang-22", "gcc"):
            with self.subTest(compiler):
                self.expect_runtime(compiler, "address")
                name = "project_" + compiler.replace("-", "_")
                self.run_llmc("plugin", "new", name)
                path = self.folder / name / f"{name}.c"
                text = path.read_text(encoding="utf-8")
                build = self.folder / f"build-{name}"

                def step(*command) -> str:
                    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                                          env=dict(os.environ, CC=compiler)).stdout

                step("cmake", "-G", "Ninja", "-S", path.parent, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", *self.flags,
                     "-DSANITIZE=address,undefined")
                for source, result in ((text, "100% tests passed"),
                                       (text.replace("  float reach =", "  float *row2 = calloc(2, sizeof(float));\n  float reach = row2[row->index + 2] * 0 +")
                                        .replace("#include <stdio.h>", "#include <stdio.h>\n#include <stdlib.h>"),
                                        "AddressSanitizer: heap-buffer-overflow")):
                    path.write_text(source, encoding="utf-8")
                    said = step("cmake", "--build", build) + step("ctest", "--test-dir", build, "--output-on-failure")
                    self.assertIn(result, said)
                # CMake breaks lines where it likes.
                self.assertIn("expected SANITIZE to be address, undefined, address,undefined or thread but",
                              step("cmake", "-S", path.parent, "-B", build, "-DSANITIZE=adress"))

    def test_passes(self):
        """Projects of passes: their own tests run llmc-opt with the runtime, and a report ends it."""
        planted = ('    if (const char *fault = getenv("FAULT")) {\n'
                   '      int many = atoi(fault);\n'
                   '      std::unique_ptr<int[]> more(new int[8]());\n'
                   '      llvm::errs() << more[many & 15] + (2147483630 + many) << "\\n";\n'
                   '    }\n')
        for compiler, linker in (("clang-22", "clang++-22"), ("gcc", "g++")):
            with self.subTest(compiler):
                self.expect_runtime(compiler, "address")
                name = "passes_" + compiler.replace("-", "_")
                self.run_llmc("plugin", "new", name, "--kind", "pass", "--lang", "cpp")
                folder, build = self.folder / name, self.folder / f"build-{name}"
                path = folder / f"{name}.cpp"
                text = path.read_text(encoding="utf-8")
                self.assertEqual(text.count("  void runOnOperation() override {\n"), 1)
                path.write_text("#include <cstdlib>\n#include <memory>\n"
                                + text.replace("  void runOnOperation() override {\n", "  void runOnOperation() override {\n" + planted), encoding="utf-8")

                def step(*command, **variables) -> str:
                    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=500,
                                          env=dict(os.environ, CXX=linker, **variables)).stdout

                # CMake breaks lines where it likes.
                self.assertIn("expected SANITIZE to be address, undefined or address,undefined but got 'thread': MLIR is not built with ThreadSanitizer", " ".join(step(
                    "cmake", "-G", "Ninja", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DSANITIZE=thread").split()))
                step("cmake", "-G", "Ninja", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
                     "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror", "-DSANITIZE=address,undefined")
                said = step("cmake", "--build", build)
                test = ("ctest", "--test-dir", build, "--output-on-failure")
                self.assertIn("100% tests passed", step(*test), said)
                self.assertRegex(step(*test, FAULT="8"), r"(?s)AddressSanitizer: heap-buffer-overflow.*READ of size 4 .*\.cpp:\d+")
                self.assertRegex(step(*test, FAULT="7"), "100% tests passed")
                self.assertRegex(step(*test, FAULT="32"), r"\.cpp:\d+:\d+: runtime error: signed integer overflow")
                # So is what `plugin check` runs.
                plugin = build / f"{name}.so"
                self.assertRegex(self.run_llmc("plugin", "check", plugin), "pass +sanitizer +ok +no report of AddressSanitizer")
                self.assertRegex(self.run_llmc("plugin", "check", plugin, code=1, FAULT="8"), "pass +sanitizer +failed .*heap-buffer-overflow")
                said = self.run_llmc("plugin", "list", "--plugin", build / f"{name}.so", code=2)
                self.assertIn("it was built with AddressSanitizer and UndefinedBehaviorSanitizer, whose runtime must be there", said)


if __name__ == "__main__":
    unittest.main()
