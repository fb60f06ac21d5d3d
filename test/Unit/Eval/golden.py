# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints the numbers of StatisticsTest.cpp, computed by NumPy in double."""
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from harness.splitmix import splitmix  # noqa: E402

WIDTH, TOKENS, BLOCK, RESAMPLES = 23, 700, 64, 1000


def logits(row: int, salt: int) -> np.ndarray:
    """Multiples of 1/16, which f32 holds exactly."""
    return np.array([(i * 37 + row * 11 + salt * i * i) % 101 for i in range(WIDTH)], np.float64) / 16


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - (x.max() + np.log(np.exp(x - x.max()).sum()))


def show(name: str, *values) -> None:
    print(f"{name:12}" + ", ".join(f"{v:.15g}" for v in values))


def main() -> None:
    loss, other, kl, margin, agree = (np.empty(TOKENS) for _ in range(5))
    for row in range(TOKENS):
        mine, theirs = log_softmax(logits(row, 5 + row % 3)), log_softmax(logits(row, 5))
        target = row * 7 % WIDTH
        loss[row], other[row] = -mine[target], -theirs[target]
        kl[row] = (np.exp(theirs) * (theirs - mine)).sum()
        best = np.sort(theirs)
        margin[row] = best[-1] - best[-2]
        agree[row] = mine.argmax() == theirs.argmax()
    show("row 4", loss[4], other[4], kl[4], margin[4], agree[4])

    def figures(index):
        return (np.exp(loss[index].mean()), np.exp(other[index].mean()), np.exp((loss - other)[index].mean()) - 1,
                kl[index].mean(), np.quantile(kl[index], 0.999), agree[index].mean())

    value = figures(np.arange(TOKENS))
    blocks = [np.arange(i, min(i + BLOCK, TOKENS)) for i in range(0, TOKENS, BLOCK)]
    random = splitmix(5)
    drawn = [figures(np.concatenate([blocks[next(random) * len(blocks) >> 64] for _ in blocks])) for _ in range(RESAMPLES)]
    low, high = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    for name, *numbers in zip(("perplexity", "reference", "excess", "mean kl", "tail kl", "agreement"), value, low, high):
        show(name, *numbers)
    show("median, max", np.median(kl), kl.max())
    near = margin < 0.1
    show("flips", (agree == 0).sum(), (near & (agree == 0)).sum(), near.sum())


if __name__ == "__main__":
    main()
