# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The commands of llmc as the end-to-end tests use them, and the signature of
a bundle as its manifest tells it."""
from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

LIMIT = 300  # seconds for one command
DTYPES = {"f32": np.float32, "f64": np.float64, "i64": np.int64, "i32": np.int32, "bool": np.bool_}


class CommandFailed(Exception):
    """`clean` tells an error that was reported from a crash or a time-out."""

    def __init__(self, command: list, code: int, output: str):
        self.clean = code in (1, 2, 3) and "error: " in output
        words = " ".join(Path(str(c)).name if "/" in str(c) else str(c) for c in command)
        super().__init__(f"{words}: exit code {code}\n{output.strip()[-3000:]}")


class Llmc:
    def __init__(self, tool: Path):
        self.tool = tool

    def __call__(self, *arguments) -> str:
        """Runs a verb; stdout, or CommandFailed."""
        command = [str(self.tool), *map(str, arguments)]
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise CommandFailed(command, -1, f"not done after {LIMIT} s") from None
        except OSError as error:
            raise CommandFailed(command, -1, str(error)) from None
        if done.returncode:
            raise CommandFailed(command, done.returncode, done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def compile(self, model: Path, bundle: Path, *options) -> None:
        self("compile", model, "-o", bundle, *options)

    def greedy(self, bundle: Path, ids: list[int], count: int, *options) -> list[int]:
        """The ids that generate adds to a prompt of ids."""
        prompt = ",".join(map(str, ids))
        text = self("generate", bundle, "--ids", prompt, "--max-tokens", count, "--temperature", 0, *options)
        if not re.fullmatch(r"[\d,\s]*", text):
            raise ValueError(f"expected token ids on stdout but got {text[:200]!r}")
        return [int(number) for number in re.findall(r"\d+", text)]

    def run(self, bundle: Path, inputs: dict[str, np.ndarray], *options) -> dict[str, np.ndarray]:
        """Runs an entry, `main` if the options name none; its outputs by name."""
        with tempfile.TemporaryDirectory() as folder:
            given = []
            for index, (name, value) in enumerate(inputs.items()):
                file = Path(folder) / f"input{index}.npy"
                np.save(file, value)
                given += ["--input", f"{name}={file}"]
            out = Path(folder) / "out"
            self("run", bundle, *given, "--output-dir", out, *options)
            return {file.stem: np.load(file, allow_pickle=False) for file in out.glob("*.npy")}


def entries(bundle: Path) -> dict[str, dict]:
    """The entries of a bundle by name."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in manifest["entries"]}


def layouts(bundle: Path) -> dict[str, str]:
    """How each weight of a bundle is stored, by name."""
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    return {name: tensor["layout"] for name, tensor in manifest["weights"]["tensors"].items()}


def step_inputs(signature: list[dict], ids: np.ndarray, mask: np.ndarray, past: dict[str, np.ndarray],
                head_size: int = 0) -> dict[str, np.ndarray]:
    """What a language model's ONNX signature wants for new `ids` [batch, new]
    after `past`; `mask` [batch, past + new] is 0 for padding. Without `past`,
    pasts are empty; `head_size` is for signatures that leave it open."""
    feed = {}
    for wanted in signature:
        name, dtype = wanted["name"], DTYPES[wanted["dtype"]]
        if name == "input_ids":
            feed[name] = ids.astype(dtype)
        elif name == "attention_mask":
            feed[name] = mask.astype(dtype)
        elif name == "position_ids":
            positions = np.maximum(mask.cumsum(1) - 1, 0)[:, -ids.shape[1]:]
            feed[name] = positions.astype(dtype)
        elif name in past:
            feed[name] = past[name]
        elif name.startswith("past"):
            batch, heads, _, size = wanted["shape"]
            feed[name] = np.zeros((len(ids), heads, 0, size if isinstance(size, int) else head_size), dtype)
        else:
            raise ValueError(f"expected inputs of a language model but got '{name}'")
    return feed


def distance(got: np.ndarray, want: np.ndarray) -> float:
    """max|got - want| / max|want|; infinite for other shapes or NaN."""
    if got.shape != want.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(np.float64(got) - want).max() / np.abs(want).max())
