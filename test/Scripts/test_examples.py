# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples in the documentation of passes and ops are run.

A pass shows `before`, a line `// becomes` (or `// adds`), and `after`. What
stands before goes through llmc-opt with that pass; the lines after must be in
the output, in this order, under other SSA names if need be. An example may be a
few lines of a function. Then names that nobody defines are, by convention,
  %zero, %one, %two, %four   constants of that value,
  %eps                       the constant 1e-5,
  %w, %w0, %w1, %b           weights,
and all others arguments, whose unknown extents at one place are one symbol.
`...` stands for anything."""
from __future__ import annotations

import os
import re
import subprocess
import unittest
from pathlib import Path

import td
from td import ROOT

OPT = Path(os.environ.get("LLMC_BUILD", ROOT / "build")) / "bin/llmc-opt"
CONSTANTS = {"zero": 0, "one": 1, "two": 2, "four": 4, "eps": 1e-5}
WEIGHTS = {"w", "w0", "w1", "b"}
# Options without which an example says nothing.
OPTIONS = {"llmc-pack-weights": "rows=16", "llmc-expand-kernels": "cpu=x86-64-v3 triple=x86_64-unknown-linux-gnu",
           "llmc-assign-methods": "recipe=w8", "llmc-encode-caches": "format=i8", "llmc-derive-lm": "context=64 require",
           "llmc-bind-lm": "require"}


def opt(module: str, *options: str) -> tuple[int, str, str]:
    done = subprocess.run([OPT, "--allow-unregistered-dialect", *options], input=module, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


#===---------------------------------------------------------------------===#
# From a few lines to a module
#===---------------------------------------------------------------------===#

def split_types(text: str) -> list[str]:
    """"a<b, c>, d" as ["a<b, c>", "d"]."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text.replace("->", "--")):
        depth += (c in "<([{") - (c in ">)]}")
        if c == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [p for p in parts + [text[start:].strip()] if p]


def statements(lines: str) -> list[str]:
    """Ops with their continuation lines."""
    found: list[str] = []
    for line in lines.splitlines():
        if not line.strip() or line.strip() == "..." or line.strip().startswith("//"):
            continue
        if line.startswith(" ") and found:
            found[-1] += " " + line.strip()
        else:
            found.append(line.strip())
    return found


def operand_types(statement: str) -> list[tuple[str, str]]:
    """Name and type of each operand, in any of the forms our ops have."""
    pairs: list[tuple[str, str]] = []
    body = re.sub(r"^[%\w, ]+ = ", "", statement)
    if re.search(r"\bins\(", body):
        for values, types in re.findall(r"(?:ins|outs)\(([^:]*) : ((?:[^()]|\([^()]*\))*)\)", body):
            values = re.findall(r"%(\w+)", values)
            pairs += zip(values, split_types(types) + ["index"] * len(values))
        return pairs
    head, _, rest = body.partition(" : (")
    if rest:
        types = rest.rsplit(") -> ", 1)[0]
        return list(zip(re.findall(r"%(\w+)", re.sub(r"\{[^}]*\}", "", head)), split_types(types)))
    head, _, kind = body.rpartition(" : ")
    return [(name, kind) for name in re.findall(r"%(\w+)", head)]


def result_types(statement: str) -> tuple[list[str], list[str]]:
    found = re.match(r"%(\w+) = ", statement)
    if not found:
        return [], []
    if " -> " in statement:
        return [found[1]], [statement.rsplit(" -> ", 1)[1].strip()]
    return [found[1]], [statement.rsplit(" : ", 1)[1].strip()]


def define(name: str, kind: str) -> tuple[str, str, str]:
    """Module level, argument and body that give an undefined name its value."""
    if name in CONSTANTS:
        value = CONSTANTS[name]
        if kind.startswith("tensor"):
            text = f"{value:e}" if isinstance(value, float) else f"[{value}]" if kind.startswith("tensor<1x") else f"{value}"
            return "", "", f"%{name} = arith.constant dense<{text}> : {kind}\n"
        return "", "", f"%{name} = arith.constant {value} : {kind}\n"
    if name in WEIGHTS and kind.startswith("tensor"):
        return f'nn.weight @{name} : {kind} from #nn.key<"{name}" : {kind}>\n', "", f"%{name} = nn.get @{name} : {kind}\n"
    if kind.startswith("tensor<") and "?" in kind:
        extents = kind[7:].split("x")[:-1]
        dims = ", ".join(f'"d{i}"' if e == "?" else e for i, e in enumerate(extents))
        return "", f"%{name}: {kind} {{nn.dims = [{dims}]}}", ""
    return "", f"%{name}: {kind}", ""


def module_of(before: str) -> str:
    if re.search(r"\b(func|llvm)\.func\b", before):
        return before
    level, arguments, prelude, body, used = "", [], "", "", set()
    types: dict[str, str] = {}
    known: set[str] = set()
    for statement in statements(before):
        if statement.startswith("nn.weight"):
            level += statement + "\n"
            continue
        for name, kind in operand_types(statement):
            used.add(name)
            if name not in types and name not in known:
                known.add(name)
                more, argument, line = define(name, kind)
                level += more
                arguments += [argument] if argument else []
                prelude += line
        for name, kind in zip(*result_types(statement)):
            types[name] = kind
        body += statement + "\n"
    results = [name for name in types if name not in used]
    kinds = ", ".join(types[name] for name in results)
    values = ", ".join(f"%{name}" for name in results)
    last = f"return {values} : {kinds}" if results else "return"
    return f"{level}func.func @main({', '.join(arguments)}) -> ({kinds}) {{\n{prelude}{body}{last}\n}}\n"


#===---------------------------------------------------------------------===#
# Comparison
#===---------------------------------------------------------------------===#

TOKEN = re.compile(r"\.\.\.|%[\w.$#-]+|\"[^\"]*\"|[@#!]?[A-Za-z_][\w.$]*|\d+\.\d*(?:[eE][+-]?\d+)?|\d\w*|\S")


def tokens(text: str) -> list[str]:
    def tidy(token: str) -> str:
        # Attributes print the double that is next to a single.
        return f"{float(token):.6g}" if re.fullmatch(r"\d+\.\d*([eE][+-]?\d+)?", token) else token
    return [tidy(t) for t in TOKEN.findall(re.sub(r"^\s*//.*$", "", text, flags=re.M))]


REACH = 120  # tokens that `...` inside a line may stand for


def match_at(piece: list[str], have: list[str], at: int, names: dict[str, str]) -> dict[str, str] | None:
    """The names after `piece` was matched at one place."""
    if at + len(piece) > len(have):
        return None
    names = dict(names)
    for want, got in zip(piece, have[at:]):
        if want.startswith("%"):
            if not got.startswith("%") or names.setdefault(want, got) != got:
                return None
        elif want != got:
            return None
    return names


def find(pieces: list[tuple[list[str], int]], have: list[str], at: int, names: dict[str, str]) -> bool:
    """Whether the pieces stand in this order from `at` on, each at most so many
    tokens behind the one before."""
    if not pieces:
        return True
    piece, reach = pieces[0]
    for start in range(at, min(len(have), at + reach) + 1):
        more = match_at(piece, have, start, names)
        if more is not None and find(pieces[1:], have, start + len(piece), more):
            return True
    return False


def shows(output: str, after: str) -> bool:
    """All lines in order; each name stands for one name of the output."""
    pieces: list[tuple[list[str], int]] = []
    for line in after.splitlines():
        reach, piece = 1 << 30, []
        for token in tokens(line) + ["end"]:
            if token not in ("...", "end"):
                piece.append(token)
            elif piece:
                pieces.append((piece, reach))
                reach, piece = REACH, []
    return find(pieces, tokens(output), 0, {})


class Passes(unittest.TestCase):
    def test_every_pass_has_an_example_that_holds(self):
        found = td.passes()
        self.assertGreater(len(found), 20)
        for name, text in found.items():
            with self.subTest(name):
                examples = td.snippets(text)
                if name == "llmc-op-histogram":  # prints lines that are no MLIR
                    self.assertIn("```\n@lm", text)
                    continue
                self.assertTrue(examples, "no example")
                for example in examples:
                    self.check(name, example)

    def test_every_pass_has_a_test(self):
        text = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "test/Passes").rglob("*.mlir"))
        self.assertEqual([name for name in td.passes() if name not in text], [])

    def check(self, name: str, example: str) -> None:
        remark = re.match(r"// (remark: .*)\n", example)
        before, after, *rest = [*re.split(r"^// (?:becomes|adds).*\n", example, flags=re.M), "", ""]
        self.assertTrue(after or remark, "expected a line '// becomes'")
        module = module_of(before)
        code, out, err = opt(module, f"--{name}={OPTIONS[name]}" if name in OPTIONS else f"--{name}")
        self.assertEqual(code, 0, f"{err}\n{module}")
        if remark:
            self.assertIn(remark[1], err)
        else:
            self.assertTrue(shows(out, after), f"expected\n{after}\nin\n{out}")
            unchanged = opt(module)[1]
            self.assertFalse(shows(unchanged, after), "the input shows it, too")


class Ops(unittest.TestCase):
    def test_every_example_of_an_op_is_one(self):
        for dialect in td.DIALECTS:
            for name, text in td.dialect_entries(dialect).items():
                for example in td.snippets(text):
                    with self.subTest(f"{dialect}.{name}"):
                        self.assertIn(f"{dialect}.{name}", example)
                        module = module_of(example)
                        if name == "get":
                            module = 'nn.weight @layers.0.q_proj : tensor<64x64xf32> from #nn.key<"k" : tensor<64x64xf32>>\n' + module
                        code, out, err = opt(module)
                        self.assertEqual(code, 0, f"{err}\n{module}")
                        self.assertIn(f"{dialect}.{name}", out)


if __name__ == "__main__":
    unittest.main()
