# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Medians, spreads, ratios and the table: pure, and tested by test/Scripts.

A ratio is taken round by round, of figures measured one after the other, and
the median of the ratios is shown: on a shared machine the speeds of one round
move together, and the ratio of two medians would mix rounds.
"""
from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """A median and how far the figures it stands for lie apart."""

    middle: float
    low: float
    high: float
    count: int

    def text(self, digits: int = 0) -> str:
        if self.count == 1:
            return f"{self.middle:.{digits}f}"
        return f"{self.middle:.{digits}f} ({self.low:.{digits}f}..{self.high:.{digits}f})"

    def json(self) -> dict:
        return {"median": self.middle, "min": self.low, "max": self.high, "count": self.count}


def spread(values: list[float]) -> Spread | None:
    """None where there is nothing to take a median of."""
    return Spread(median(values), min(values), max(values), len(values)) if values else None


def ratios(rounds: list[dict], ours: str, theirs: str, key: str) -> list[float]:
    """ours / theirs of every round that has both; a round is {name: {key: figure}}."""
    both = [(r[ours].get(key), r[theirs].get(key)) for r in rounds if ours in r and theirs in r]
    return [a / b for a, b in both if a and b]


def figures_of(rounds: list[dict], name: str, key: str) -> Spread | None:
    return spread([r[name][key] for r in rounds if name in r and r[name].get(key)])


def common_start(ours: list[int], theirs: list[int]) -> int:
    """How many of the first ids are the same."""
    count = 0
    for a, b in zip(ours, theirs):
        if a != b:
            break
        count += 1
    return count


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns as wide as what they hold; the first to the left, numbers to the right."""
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"expected {len(head)} cells in every row")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * w for w in widths], *rows]:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def compared(rounds: list[dict], names: list[str], ours: str, notes: dict[str, str], divergences: dict[str, str] | None = None) -> str:
    """The table of one number of threads: speeds, and ours over theirs; divergences where there are some."""
    rows = []
    for name in names:
        row = [name]
        for key in ("prefill", "decode"):
            figure = figures_of(rounds, name, key)
            ratio = spread(ratios(rounds, ours, name, key)) if name != ours else None
            row += [figure.text() if figure else "-", ratio.text(2) if ratio else "-"]
        rows.append([*row, *([divergences.get(name, "-")] if divergences else []), notes.get(name, "")])
    head = ["", "prefill tok/s", f"{ours}/peer", "decode tok/s", f"{ours}/peer", *(["mean KL"] if divergences else []), "same ids"]
    return table(head, rows)
