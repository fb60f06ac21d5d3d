# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The random numbers of llmc/Support/SplitMix.h, written once more."""
from __future__ import annotations

from collections.abc import Iterator


def splitmix(seed: int) -> Iterator[int]:
    mask = (1 << 64) - 1
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        yield z ^ (z >> 31)
