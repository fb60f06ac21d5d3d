# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What `llmc plugin new` writes builds against an installed llmc and passes, by the commands of its own CI file."""
from __future__ import annotations

import os
import re
import subprocess
import textwrap
import unittest
from pathlib import Path

from installed import ROOT, Installed

TEMPLATES = ROOT / "plugins/template"
CI = ".github/workflows/check.yml"
HEADER = "#include <llmc/Plugin/plugin.h>\n#include <stdio.h>\n#include <stddef.h>\n"


def listed(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


class Templates(Installed):
    def ci(self, folder: Path) -> subprocess.CompletedProcess:
        """Runs the step of the CI file as a runner does; warnings are errors."""
        step = re.search(r"^( +)run: \|\n((?:\1  .*\n|\n)+)", (folder / CI).read_text(encoding="utf-8"), re.M)[2]
        flags = "-Wall -Wextra -Wpedantic -Werror"
        environment = dict(os.environ, LLMC_PREFIX=str(self.prefix), CFLAGS=flags, CXXFLAGS=flags, RUSTFLAGS="-Dwarnings")
        return subprocess.run(["bash", "-c", textwrap.dedent(step)], cwd=folder, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=500)

    def new(self, name: str, template: str) -> Path:
        kind, language = template.rsplit("-", 1)
        said = self.run_llmc("plugin", "new", name, "--kind", kind, "--lang", language)
        folder = self.folder / name
        wanted = {p.replace("@NAME@", name) for p in listed(TEMPLATES / template) | listed(TEMPLATES / "common")}
        self.assertEqual(listed(folder), wanted)
        self.assertEqual(set(said.split()), {f"{name}/{p}" for p in wanted})
        for path in folder.rglob("*"):
            self.assertNotIn("@NAME@", str(path) + (path.read_text(encoding="utf-8") if path.is_file() else ""))
        return folder

    def test_each_builds_and_passes(self):
        found = sorted(p.name for p in TEMPLATES.iterdir() if p.name != "common")
        self.assertLessEqual({"method-c", "method-cpp", "method-rust"}, set(found))
        for template in found:
            with self.subTest(template):
                name = template.replace("-", "_")
                folder = self.new(name, template)
                done = self.ci(folder)
                self.assertEqual(done.returncode, 0, done.stdout)
                if template.startswith("method-"):
                    library, = [p for p in folder.rglob("*.so") if "deps" not in p.parts]
                    self.assertIn(f"  {name}.{name}\n", self.run_llmc("plugin", "list", "--plugin", library))

    def test_wrong_methods_do_not_pass(self):
        for language, source in (("c", "wrong_c.c"), ("cpp", "wrong_cpp.cpp"), ("rust", "src/lib.rs")):
            with self.subTest(language):
                folder = self.new(f"wrong_{language}", f"method-{language}")
                path = folder / source
                text = path.read_text(encoding="utf-8")
                self.assertIn("largest / reach", text)
                path.write_text(text.replace("largest / reach", "largest * reach"), encoding="utf-8")
                done = self.ci(folder)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn("times the error of rtn", done.stdout)

    def test_exceptions_and_panics_are_errors(self):
        for language, source, before, thrown in (
                ("cpp", "throws_cpp.cpp", "    float reach", '    if (row.index == 3) throw std::runtime_error("no row 3 today");\n'),
                ("rust", "src/lib.rs", "        for group", '        if row.index == 3 { panic!("no row {} today", row.index); }\n')):
            with self.subTest(language):
                folder = self.new(f"throws_{language}", f"method-{language}")
                path = folder / source
                text = path.read_text(encoding="utf-8")
                self.assertEqual(text.count(before), 1)
                path.write_text(text.replace(before, thrown + before), encoding="utf-8")
                self.assertRegex(self.ci(folder).stdout, r"i4g64 +accuracy +failed +(panicked: )?no row 3 today\n")

    def test_what_there_is_not(self):
        said = self.run_llmc("plugin", "new", "none", "--kind", "importer", "--lang", "rust", code=2)
        self.assertRegex(said, "there is no project of kind 'importer' in 'rust', but .*importer in cpp; method in c, cpp, rust")
        self.assertFalse((self.folder / "none").exists())
        self.assertIn("did you mean 'method'?", self.run_llmc("plugin", "new", "none", "--kind", "methods", code=2))

    def test_names(self):
        self.run_llmc("plugin", "new", "twice")
        self.assertTrue((self.folder / "twice/twice.c").is_file())
        self.assertIn("cannot make the folder 'twice'", self.run_llmc("plugin", "new", "twice", code=2))
        for name in ("Mine", "a-b", "1st", "x" * 33, "llmc", ".."):
            self.assertIn("expected a name of 1 to 32", self.run_llmc("plugin", "new", name, code=2))

    def test_rust_has_the_layout_of_the_header(self):
        source = TEMPLATES / "method-rust/src/plugin.rs"
        text = source.read_text(encoding="utf-8")
        structs = {name: re.findall(r"^ +pub (?:r#)?(\w+):", body, re.M)
                   for name, body in re.findall(r"^pub struct (\w+) \{\n(.*?)^\}", text, re.M | re.S) if name != "llmc_run"}
        # The declarations are those of interface 1, which every later header has, too.
        self.assertIn("pub const LLMC_PLUGIN_ABI: u32 = 1;", text)
        constants = [name for name in re.findall(r"^pub const (\w+):", text, re.M) if name != "LLMC_PLUGIN_ABI"]
        header = (self.prefix / "include/llmc/Plugin/plugin.h").read_text(encoding="utf-8")
        self.assertLessEqual({"llmc_host", "llmc_job", "llmc_plugin", "llmc_row"}, set(structs))
        self.assertLessEqual(set(structs), set(re.findall(r"^typedef struct (\w+) \{", header, re.M)))
        members = [(name, member) for name, found in structs.items() for member in found]
        self.assertGreater(len(members), 70)
        places = "".join(f'printf("{s}.{m} %zu %zu\\n", offsetof({s}, {m}), sizeof((({s} *)0)->{m}));\n' for s, m in members)
        values = "".join(f'printf("{c} %llu\\n", (unsigned long long)({c}));\n' for c in constants)
        (self.folder / "layout.c").write_text(f"{HEADER}int main(void) {{\n{places}{values}return 0;\n}}\n")
        raw = {"type": "r#type"}
        places = "".join(f'println!("{s}.{m} {{}} {{}}", std::mem::offset_of!({s}, {raw.get(m, m)}), of(|s: &{s}| &s.{raw.get(m, m)}));\n'
                         for s, m in members)
        values = "".join(f'println!("{c} {{}}", {c});\n' for c in constants)
        (self.folder / "layout.rs").write_text(
            f'#[path = "{source}"]\nmod plugin;\nuse plugin::*;\n'
            f"fn of<S, M>(_: fn(&S) -> &M) -> usize {{ std::mem::size_of::<M>() }}\nfn main() {{\n{places}{values}}}\n")
        said = []
        for command in (["cc", f"-I{self.prefix}/include", "layout.c", "-o", "layout-c"], ["rustc", "layout.rs", "-o", "layout-rust"]):
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)
            said.append(subprocess.run([self.folder / command[-1]], check=True, capture_output=True, text=True).stdout)
        self.assertEqual(said[0].splitlines(), said[1].splitlines())
        self.assertIn("llmc_host.write_values 128 8\n", said[0])


if __name__ == "__main__":
    unittest.main()
