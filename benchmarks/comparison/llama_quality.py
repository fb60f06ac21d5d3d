# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Perplexity and divergence of llama.cpp's own formats, on the tokens and by the
protocol of `llmc eval`, so that both stand in one table.

    python -m comparison.llama_quality GGUF KINDS REFERENCE IDS.npy PROTOCOL THREADS WORK FOLDER [GREEDY]

GGUF is made of the ONNX folder FOLDER where it is missing. KINDS, separated by commas,
are types of gguf_files, made of GGUF, files *.gguf as they are, or peers: ort-int4 and
ort-f32, of FOLDER, and openvino-TYPE, of GGUF. REFERENCE is one of them, and PROTOCOL the
object that `llmc eval --json` gives.
Prints a JSON object, from a kind to what `llmc eval` would print, without intervals,
or to the reason why there is nothing: a peer that is not there costs its own line.
Everything is computed by NumPy in f64, so its figure for f32 is also a check of
llmc's. GREEDY, {"prompts": [ids, ...], "tokens": N}, asks for the N most probable
tokens behind each prompt, too.
"""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

NEAR_TIE = 0.1  # as llmc has it


def windows(protocol: dict, tokens: list[int], bos: int):
    """What each window reads, and how many of its tokens, from the last back, are scored."""
    length, first = protocol["window"], [bos] if protocol["bos"] else []
    if protocol["name"] == "llama.cpp":
        stream = first + tokens
        for start in range(0, len(stream) - length + 1, length):
            yield (first + stream[start + len(first):start + length]), length - length // 2 - 1
        return
    covered = 0
    for start in range(0, len(tokens), protocol["stride"]):
        ids = first + tokens[start:start + length - len(first)]
        end = start + len(ids) - len(first)
        fresh = min(end - covered, len(ids) - 1)
        covered = end
        if fresh > 0:
            yield ids, fresh
        if end == len(tokens):
            return


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


class Figures:
    """Scores of one kind, window by window."""

    def __init__(self):
        self.loss, self.other, self.divergence, self.agree, self.near = [], [], [], [], []

    def add(self, mine: np.ndarray, theirs: np.ndarray, targets: list[int]) -> None:
        """Log-probabilities [tokens, vocabulary] of this kind and of the reference."""
        at = np.arange(len(targets)), np.array(targets)
        self.loss.append(-mine[at])
        self.other.append(-theirs[at])
        self.divergence.append(np.maximum((np.exp(theirs) * (theirs - mine)).sum(-1), 0))
        self.agree.append(mine.argmax(-1) == theirs.argmax(-1))
        best = np.partition(theirs, -2, -1)
        self.near.append(best[:, -1] - best[:, -2] < NEAR_TIE)

    def summary(self) -> dict:
        loss, other, kl, agree, near = map(np.concatenate, (self.loss, self.other, self.divergence, self.agree, self.near))

        def one(value) -> dict:
            return {"value": float(value)}

        return {"scored_tokens": len(loss), "perplexity": one(np.exp(loss.mean())), "reference_perplexity": one(np.exp(other.mean())),
                "excess": one(np.expm1((loss - other).mean())), "kl_mean": one(kl.mean()), "kl_p99_9": one(np.quantile(kl, 0.999)),
                "kl_median": float(np.median(kl)), "kl_max": float(kl.max()), "same_top1": one(agree.mean()),
                "flips": int((~agree).sum()), "near_ties": int(near.sum()), "near_tie_flips": int((near & ~agree).sum())}


class Model:
    def __init__(self, path: Path, window: int, threads: int):
        import llama_cpp
        self.llama = llama_cpp.Llama(model_path=str(path), n_ctx=window, n_batch=window, n_ubatch=window, n_threads=threads,
                                     n_threads_batch=threads, n_gpu_layers=0, logits_all=True, verbose=False)

    def __call__(self, ids: list[int], count: int) -> np.ndarray:
        """Log-probabilities that predict the last `count` of `ids`."""
        self.llama.reset()
        self.llama.eval(ids[:-1])
        return log_softmax(np.array(self.llama.scores[len(ids) - 1 - count:len(ids) - 1]))

    def continuation(self, prompt: list[int], count: int) -> list[int]:
        """The most probable tokens, one after the other."""
        self.llama.reset()
        ids, fresh = [], prompt
        for _ in range(count):
            self.llama.eval(fresh)
            fresh = [int(self.llama.scores[self.llama.n_tokens - 1].argmax())]
            ids += fresh
        return ids


class Peer:
    """A peer of peer_logits, in the place of a Model."""

    def __init__(self, runner):
        self.runner = runner

    def __call__(self, ids: list[int], count: int) -> np.ndarray:
        return log_softmax(self.runner.logits(ids[:-1])[-count:])


def peer_of(kind: str, gguf: Path, folder: Path, threads: int, work: Path) -> Peer:
    from comparison import gguf_files, peer_logits
    if kind.startswith("ort-"):
        return Peer(peer_logits.OnnxRuntime(folder, kind, threads, work))
    return Peer(peer_logits.OpenVino(gguf_files.ensure(gguf, kind.split("-")[1], work), threads))


def main() -> int:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library prints as it likes
    gguf, kinds, reference, ids, protocol, threads, work, folder = sys.argv[1:9]
    greedy = json.loads(sys.argv[9]) if len(sys.argv) > 9 else {"prompts": [], "tokens": 0}
    from comparison import gguf_files, onnx_to_gguf
    if not Path(gguf).exists():
        Path(gguf).parent.mkdir(parents=True, exist_ok=True)
        onnx_to_gguf.write(Path(folder), Path(gguf))
    protocol, tokens = json.loads(protocol), np.load(ids).tolist()
    models, sizes, reasons = {}, {}, {}

    def load(name: str) -> tuple[Model | Peer, int]:
        if name.startswith(("ort-", "openvino-")):
            peer = peer_of(name, Path(gguf), Path(folder), int(threads), Path(work))
            return peer, peer.runner.bytes
        path = Path(name) if name.endswith(".gguf") else gguf_files.ensure(Path(gguf), name, Path(work))
        return Model(path, protocol["window"], int(threads)), path.stat().st_size

    def attempt(name: str, action):
        """What the action returns, or nothing, and the reason is kept; without the reference there is nothing to say."""
        try:
            return action()
        except Exception as error:  # whatever goes wrong in a peer
            if name == reference:
                raise
            reasons[name] = f"{type(error).__name__}: {error}"[:300]

    for name in dict.fromkeys([reference, *kinds.split(",")]):
        if (loaded := attempt(name, lambda: load(name))) is not None:
            models[name], sizes[name] = loaded
    figures = {name: Figures() for name in kinds.split(",")}
    for read, count in windows(protocol, tokens, models[reference].llama.token_bos()):
        theirs = models[reference](read, count)
        for name, model in models.items():
            if name not in figures or name in reasons:
                continue
            mine = theirs if name == reference else attempt(name, lambda: model(read, count))
            if mine is not None:
                figures[name].add(mine, theirs, read[-count:])
    json.dump({name: {"reason": reasons[name]} if name in reasons else
               {"eval": figure.summary(), "bytes": sizes[name],
                "greedy": [models[name].continuation(prompt, greedy["tokens"]) for prompt in greedy["prompts"]]}
               for name, figure in figures.items()}, answers)
    answers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
