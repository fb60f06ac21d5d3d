# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the TableGen files say: the documentation that mlir-tblgen makes of
them, by op, attribute, type and pass."""
from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLVM = Path("/usr/lib/llvm-22")
DIALECTS = {"nn": "NN", "pack": "Pack", "kern": "Kern"}


def generate(kind: str, file: Path) -> str:
    command = [LLVM / "bin/mlir-tblgen", *kind.split(), "-I", ROOT / "include", "-I", LLVM / "include", file]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dialect_entries(dialect: str) -> dict[str, str]:
    """Name of each op (mnemonic), attribute, type (class without the suffix, in
    lower case) and `attributes` (of the dialect itself): its text."""
    entries: dict[str, str] = {}
    for file in sorted((ROOT / "include/llmc/Dialect" / DIALECTS[dialect]).glob("*.td")):
        text = generate(f"-gen-dialect-doc -dialect={dialect}", file)
        head, *rest = re.split(r"^### ", text, flags=re.M)
        entries["attributes"] = head
        for part in rest:
            title, _, body = part.partition("\n")
            if found := re.match(r"`\w+\.(\w+)`", title):
                entries[found[1]] = body
            elif found := re.match(r"(\w+?)(?:Attr|Type)\b", title):
                entries.setdefault(found[1].lower(), body)
    return entries


def passes() -> dict[str, str]:
    """Argument of each pass: its text."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "include/llmc/Passes").glob("*.td")):
        for part in re.split(r"^### ", generate("-gen-pass-doc", file), flags=re.M)[1:]:
            title, _, body = part.partition("\n")
            found[title.strip("`-")] = body
    return found


def rules(text: str) -> list[tuple[str, str]]:
    """Label and text of each rule: ("C1", "equal element types")."""
    return re.findall(r"^ *\[(C\d+)\] (.+)$", text, re.M)


def snippets(text: str) -> list[str]:
    return [textwrap.dedent(part) for part in re.findall(r"^ *```mlir\n(.*?)^ *```", text, re.M | re.S)]
