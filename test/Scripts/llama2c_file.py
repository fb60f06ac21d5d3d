# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Small llama2.c files of seeded random numbers, a Llama in f64 that works on
their own layout (rotary over neighbors), and the tokenizer's way to join tokens.
Nothing here is shared with the converter."""
from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

PIECES = [" ", "a", "b", "c", "d", "e", "h", "n", "t", ".", "é", "\n", "th", "the", " the", "he", "an", "and", " a", "ab", "bab"]


def tensors(numbers: list[int]):
    """Names and extents in the order of the file."""
    hidden, inner, layers, heads, kv_heads, vocabulary, positions = numbers
    kv, half = hidden // heads * kv_heads, hidden // heads // 2
    yield "embedding", (abs(vocabulary), hidden)
    for name, *extents in (("norm1", hidden), ("q", hidden, hidden), ("k", kv, hidden), ("v", kv, hidden), ("o", hidden, hidden),
                           ("norm2", hidden), ("gate", inner, hidden), ("down", hidden, inner), ("up", inner, hidden)):
        yield name, (layers, *extents)
    yield "norm", (hidden,)
    yield "cos", (positions, half)
    yield "sin", (positions, half)
    if vocabulary < 0:
        yield "head", (-vocabulary, hidden)


def make(path, *, tied: bool = True, heads: int = 4, kv_heads: int = 2, seed: int = 1, **changed) -> None:
    rng = np.random.default_rng(seed)
    vocabulary = 259 + len(PIECES)
    numbers = [32, 48, 2, heads, kv_heads, vocabulary if tied else -vocabulary, 64]
    half = 32 // heads // 2
    angles = np.outer(np.arange(64), 10000.0 ** (-np.arange(half) / half))
    with open(path, "wb") as file:
        file.write(struct.pack("<7i", *numbers))
        for name, extents in tensors(numbers):
            values = rng.normal(name.startswith("norm"), 0.2, extents)
            values = {"cos": np.cos(angles), "sin": np.sin(angles), **changed}.get(name, values)
            file.write(values.astype("<f4").tobytes())


def make_tokenizer(path, pieces=None) -> None:
    pieces = PIECES if pieces is None else pieces
    tokens = ["<unk>", "\n<s>\n", "\n</s>\n", *map(chr, range(256)), *pieces]
    with open(path, "wb") as file:
        file.write(struct.pack("<i", max(len(t.encode()) for t in tokens)))
        for index, token in enumerate(tokens):
            file.write(struct.pack("<fi", -float(max(index - 259, 0)), len(token.encode())) + token.encode())


def read(path) -> tuple[list[int], dict[str, np.ndarray]]:
    content = Path(path).read_bytes()
    numbers, at, found = list(struct.unpack_from("<7i", content)), 28, {}
    for name, extents in tensors(numbers):
        count = int(np.prod(extents))
        found[name] = np.frombuffer(content, "<f4", count, at).reshape(extents)
        at += 4 * count
    assert at == len(content)
    return numbers, found


def forward(path, ids: list[int]) -> np.ndarray:
    """Logits of every position, in f64, with the rotary tables of the file."""
    (hidden, _, layers, heads, kv_heads, _, _), stored = read(path)
    w = {name: value.astype(np.float64) for name, value in stored.items()}
    size, count = hidden // heads, len(ids)
    turn = (w["cos"] + 1j * w["sin"])[:count, None]

    def norm(x, scale):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * scale

    def rotated(x, n):
        pairs = x.reshape(count, n, size // 2, 2)
        pairs = (pairs[..., 0] + 1j * pairs[..., 1]) * turn
        return np.stack([pairs.real, pairs.imag], -1).reshape(count, n, size)

    stream = w["embedding"][ids]
    future = np.triu(np.full((count, count), -np.inf), 1)
    for i in range(layers):
        x = norm(stream, w["norm1"][i])
        q = rotated(x @ w["q"][i].T, heads)
        k = rotated(x @ w["k"][i].T, kv_heads).repeat(heads // kv_heads, 1)
        v = (x @ w["v"][i].T).reshape(count, kv_heads, size).repeat(heads // kv_heads, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size) + future
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        stream = stream + np.einsum("hqk,khd->qhd", scores, v).reshape(count, -1) @ w["o"][i].T
        x = norm(stream, w["norm2"][i])
        gate = x @ w["gate"][i].T
        stream = stream + (gate / (1 + np.exp(-gate)) * (x @ w["up"][i].T)) @ w["down"][i].T
    return norm(stream, w["norm"]) @ w.get("head", w["embedding"]).T


def encode(path, text: str) -> list[int]:
    """Joins the pair of the best score until there is none, from characters or their bytes on."""
    content = Path(path).read_bytes()
    at, ids, scores = 4, {}, []
    while at < len(content):
        score, length = struct.unpack_from("<fi", content, at)
        piece = content[at + 8:at + 8 + length]
        if len(scores) >= 259:
            ids[piece] = len(scores)
        scores.append(score)
        at += 8 + length
    pieces = {index: piece for piece, index in ids.items()}
    tokens = []
    for letter in " " + text:
        code = letter.encode()
        tokens += [ids[code]] if code in ids else [byte + 3 for byte in code]
    while True:
        joins = []
        for i, (a, b) in enumerate(zip(tokens, tokens[1:])):
            whole = ids.get(pieces[a] + pieces[b]) if a in pieces and b in pieces else None
            if whole is not None:
                joins.append((-scores[whole], i, whole))
        if not joins:
            return tokens
        _, i, whole = min(joins)
        tokens[i:i + 2] = [whole]
