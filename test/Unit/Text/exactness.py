#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares our ids with those of Python's `tokenizers` on whole text files.

    exactness.py PROGRAM TOKENIZER... -- TEXT...

PROGRAM is TextIds. Every text is encoded as a whole and by line, without and
with special tokens; so are 20,000 lines of hostile Unicode. Tokenizers and texts
that do not exist are left out; if nothing is left, or `tokenizers` is missing, the
exit code is 77 (skipped). Needs tokenizers 0.23.3.
"""
import random
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

MODES = ["whole", "lines", "lines-special"]
END = 2**32 - 1


def hostile_lines(count):
    """Lines over all of Unicode, dense in what tokenizers treat specially."""
    rng = random.Random(260)
    ranges = [(0x20, 0x7e), (0, 0x1f), (0x7f, 0x24f), (0x300, 0x36f), (0x370, 0x6ff), (0x900, 0x1fff), (0x2000, 0x2fff),
              (0x3000, 0x9fff), (0xac00, 0xd7a3), (0xe000, 0xffff), (0x10000, 0x1ffff), (0xe0000, 0x10ffff)]
    words = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<unk>", "<0x0A>", "'s", "'LL", "  ", "\t", "\r", " 's", "▁", "Ġ"]
    for _ in range(count):
        pieces = []
        for _ in range(rng.randint(0, 24)):
            if rng.random() < 0.15:
                pieces.append(rng.choice(words))
            else:
                low, high = rng.choice(ranges)
                pieces.append(chr(rng.randint(low, high)) * rng.choice([1, 1, 1, 2, 5]))
        yield "".join(pieces).replace("\n", " ")


def expected_ids(tokenizer, text, mode):
    if mode == "whole":
        return [tokenizer.encode(text, add_special_tokens=False).ids]
    special = mode == "lines-special"
    return [e.ids for e in tokenizer.encode_batch(text.split("\n"), add_special_tokens=special)]


def our_ids(program, tokenizer, text, mode):
    done = subprocess.run([program, tokenizer, text, mode], capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace").strip())
    ids, lines = array("I", done.stdout), [[]]
    for value in ids:
        if value == END:
            lines.append([])
        else:
            lines[-1].append(value)
    return lines[:-1], done.stderr.decode()


def compare(program, tokenizer_path, text_path):
    """The number of differing comparisons."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    text = text_path.read_bytes().decode()
    differing = 0
    for mode in MODES:
        ours, times = our_ids(program, tokenizer_path, text_path, mode)
        theirs = expected_ids(tokenizer, text, mode)
        wrong = sum(a != b for a, b in zip(ours, theirs)) + abs(len(ours) - len(theirs))
        differing += wrong > 0
        count = sum(map(len, ours))
        verdict = "equal" if not wrong else f"{wrong} of {len(theirs)} lines differ"
        print(f"{tokenizer_path.parent.name}/{tokenizer_path.name} {text_path.name} {mode}: {count} ids, {verdict} ({times})", flush=True)
    return differing


def main():
    program, *rest = sys.argv[1:]
    split = rest.index("--")
    present = [[Path(p) for p in part if Path(p).is_file()] for part in (rest[:split], rest[split + 1:])]
    tokenizers, texts = present
    try:
        import tokenizers as _  # noqa: F401
    except ImportError:
        print("skipped: expected the Python package tokenizers")
        return 77
    if not tokenizers or not texts:
        print("skipped: expected a tokenizer and a text")
        return 77
    differing = compared = 0
    with tempfile.TemporaryDirectory() as folder:
        hostile = Path(folder) / "hostile"
        hostile.write_bytes("\n".join(hostile_lines(20000)).encode())
        for tokenizer in tokenizers:
            for text in texts + [hostile]:
                differing += compare(program, tokenizer, text)
                compared += len(MODES)
    print(f"{compared - differing} of {compared} comparisons equal")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
