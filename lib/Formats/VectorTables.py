#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes VectorTables.h, the levels of the formats of vectors: python3 VectorTables.py > VectorTables.h

A table has the vectors of the smallest squared error for normal numbers in groups of 32 under their best scale, of either sign: Lloyd's steps as
Linde, Buzo and Gray (1980) take them for vectors, by turns with the scale of each group. Vectors are rounded to integers so that the largest
number is the LIMIT of a table: 31 and 63 keep levels in six and seven bits, whose products are added in pairs, where the error of rounding is far
below that of the format.
"""
from __future__ import annotations

import numpy as np

# Name, weights of a code, bits of a code, limit.
TABLES = [("kV4b8", 4, 8, 31), ("kV2b6", 2, 6, 63)]
GROUP, GROUPS, STEPS, SEED = 32, 4096, 24, 20240229
# Every so many steps scales are sought again among parts of the one that reaches over the group, of both signs; else near the last.
AGAIN, PARTS, NEAR = 8, np.linspace(1, 0.4, 8), (0.9, 1.0, 1.1)
CHUNK = 128  # groups whose products fit a cache


def try_scales(x: np.ndarray, table: np.ndarray, scales: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For groups [groups][GROUP] the best of `scales`, each [groups], improved by the line through its levels, and the codes under it.

    No product of matrices: its sums come in another order in every library, and results must be the same."""
    weights = table.shape[1]
    vectors = x.reshape(-1, weights)
    product = vectors[:, :1] * table[:, 0]
    for i in range(1, weights):
        product += vectors[:, i:i + 1] * table[:, i]
    half = sum(table[:, i] * table[:, i] for i in range(weights)) / 2
    most = np.full(len(x), -np.inf)
    best, codes = np.ones(len(x)), np.zeros((len(x), GROUP // weights), int)
    for scale in scales:
        by = np.repeat(scale, GROUP // weights)[:, None]
        # |x - s c|^2 less |x|^2, halved and divided by |s|.
        found = np.argmin(half * np.abs(by) - product * np.sign(by), axis=1)
        levels = table[found].reshape(x.shape)
        squares, products = np.sum(levels * levels, axis=1), np.sum(levels * x, axis=1)
        line = products / np.maximum(squares, 1e-300)
        gain = line * products
        better = gain > most
        most = np.where(better, gain, most)
        best = np.where(better, line, best)
        codes[better] = found.reshape(codes.shape)[better]
    return best, codes


def train(weights: int, bits: int) -> np.ndarray:
    """A table [2^bits][weights] of reals."""
    random = np.random.RandomState(SEED)  # its numbers are the same in every NumPy
    groups = random.standard_normal((GROUPS, GROUP))
    count = 1 << bits
    reach = np.max(np.abs(groups), axis=1)
    table = (groups / reach[:, None]).reshape(-1, weights)[:count].copy()
    scale = np.empty(GROUPS)
    for step in range(STEPS):
        total, sums = np.zeros(count), np.zeros((weights, count))
        widest = np.max(np.abs(table))
        for first in range(0, GROUPS, CHUNK):
            at = slice(first, first + CHUNK)
            if step % AGAIN == 0:
                scales = [sign * reach[at] / widest * part for sign in (1, -1) for part in PARTS]
            else:
                scales = [scale[at] * part for part in NEAR]
            scale[at], codes = try_scales(groups[at], table, scales)
            # Groups count by the square of their scales, as their errors do.
            by = np.repeat(scale[at], GROUP // weights)
            vectors = groups[at].reshape(-1, weights)
            total += np.bincount(codes.ravel(), by * by, count)
            for i in range(weights):
                sums[i] += np.bincount(codes.ravel(), by * vectors[:, i], count)
        table = np.where(total[:, None] > 0, sums.T / np.maximum(total, 1e-300)[:, None], table)
    return table


def make(weights: int, bits: int, limit: int) -> np.ndarray:
    """A table [2^bits][weights] of integers: the vectors by their lengths."""
    table = train(weights, bits)
    table = np.rint(table * (limit / np.max(np.abs(table)))).astype(int)
    return np.array(sorted(table.tolist(), key=lambda vector: (sum(x * x for x in vector), vector)))


def write() -> str:
    lines = [
        "//===- VectorTables.h - The levels of formats of vectors -------*- C++ -*-===//",
        "//",
        "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception",
        "//",
        "// Made by VectorTables.py, which says how; a test makes it again.",
        "//",
        "//===----------------------------------------------------------------------===//",
        "#ifndef LLMC_LIB_FORMATS_VECTORTABLES_H",
        "#define LLMC_LIB_FORMATS_VECTORTABLES_H",
        "",
        "#include <array>",
        "#include <cstdint>",
        "",
        "// clang-format off",
    ]
    for name, weights, bits, limit in TABLES:
        numbers = make(weights, bits, limit).ravel().tolist()
        lines += ["", f"/// {1 << bits} vectors of {weights}.", f"static constexpr std::array<int8_t, {len(numbers)}> {name} = {{"]
        lines += ["    " + ", ".join(str(n) for n in numbers[at:at + 16]) + "," for at in range(0, len(numbers), 16)]
        lines.append("};")
    lines += ["", "// clang-format on", "", "#endif // LLMC_LIB_FORMATS_VECTORTABLES_H"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(write(), end="")
