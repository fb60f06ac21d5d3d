# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""SmolLM2-135M-Instruct as an ONNX folder, and what ONNX Runtime says of it."""
from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
MODEL = Path(os.environ.get("LLMC_MODELS") or ROOT / "models") / "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPT_IDS = 64
STEPS = 32
TEXT = ("Once a compiler has read a model, it knows every number in it. It can therefore choose how each matrix is laid out in "
        "memory, which loops to join, and what to leave out. None of this changes what the model says; it changes how long we wait "
        "for it to speak. The first rule of such a compiler is that")


def speak(oracle, ids: list[int], steps: int, margin: float) -> tuple[list[int], list[float]]:
    """Greedy ids by a model with a cache, and the logits of the first step. Ends
    before an id whose logit is less than `margin` of the largest before the
    next."""
    inputs = {i.name: i for i in oracle.session.get_inputs()}
    past = {name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for name, i in inputs.items() if name.startswith("past")}
    new, seen, greedy, first = ids, 0, [], None
    while len(greedy) < steps:
        feed = {"input_ids": np.array([new]), "attention_mask": np.ones((1, seen + len(new)), np.int64),
                "position_ids": np.arange(seen, seen + len(new))[None], **past}
        found = oracle({name: value for name, value in feed.items() if name in inputs})
        past = {name: found[name.replace("past_key_values", "present")] for name in past}
        last = found["logits"][0, -1]
        first = last if first is None else first
        top = np.sort(last)[-2:]
        if top[1] - top[0] < margin * np.abs(last).max():
            break
        seen, new = seen + len(new), [int(last.argmax())]
        greedy += new
    return greedy, first.tolist()


def convert(folder: Path, *options: str) -> None:
    command = [sys.executable, ROOT / "scripts/convert/gguf_to_onnx.py", MODEL, "-o", folder, "--force", *options]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=300)


def block_cases(plain: Path, oracle_class) -> list[dict]:
    """Converts the model with its blocks, beside `plain`, which says what is right."""
    convert(plain.with_name("blocks"), "--keep-blocks")
    return cases(plain, oracle_class)


_lock = threading.Lock()


def cases(folder: Path, oracle_class) -> list[dict]:
    """Converts the model to `folder`; greedy ids and first logits of one prompt."""
    with _lock:  # two forms ask
        return _cases(folder, oracle_class)


@functools.cache
def _cases(folder: Path, oracle_class) -> list[dict]:
    from tokenizers import Tokenizer

    convert(folder)
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT, add_special_tokens=False).ids[:PROMPT_IDS]
    assert len(ids) == PROMPT_IDS
    greedy, logits = speak(oracle_class(folder), ids, STEPS, 1e-3)
    assert len(greedy) == STEPS, "expected a prompt without near ties"
    return [{"input_ids": ids, "greedy": greedy, "logits": logits}]
