# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Asks the code of a bundle for the scratch memory that its manifest tells.

    arena.py BUNDLE
"""
import ctypes
import json
import sys
from pathlib import Path

bundle = Path(sys.argv[1])
code = ctypes.CDLL(str(bundle.resolve() / "model.so"))
for entry in json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))["entries"]:
    ask = getattr(code, f"llmc_arena_{entry['name']}")
    ask.restype = ctypes.c_int64
    told = entry["arena"]
    values = [told["at"][symbol["name"]] for symbol in entry["symbols"]]
    got = ask((ctypes.c_int64 * len(values))(*values))
    print(entry["name"], "agrees" if got == told["bytes"] else f"expected {told['bytes']} but got {got}")
