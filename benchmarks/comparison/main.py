# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The run: rounds in which every runtime has its turn, then tables and JSON."""
from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import time
from pathlib import Path

from comparison import figures, packages
from comparison.peers import PEERS
from comparison.processes import PeerError, Worker, cost_of, output_of, seconds_to_first_byte

OURS = "llmc"
GREEDY = 8  # ids of a greedy continuation that must be the same
PAUSE = 0.2  # seconds, in which threads of the last one stop spinning
LIMIT = 600  # seconds for one answer of a peer


def options_of(root: Path) -> argparse.Namespace:
    models = Path(os.environ.get("LLMC_MODELS") or root / "models")
    parser = argparse.ArgumentParser(prog="compare", description="Measures llmc beside its peers, in turns.")
    parser.add_argument("--llmc", type=Path, default=root / "build/bin/llmc", help="the program [build/bin/llmc]")
    parser.add_argument("--gguf", type=Path, default=models / "SmolLM2-135M-Instruct.Q4_1.gguf",
                        help="model; what scripts/fetch_model.py smollm2 fetches")
    parser.add_argument("--model", type=Path, help="its ONNX folder [made from the GGUF]")
    parser.add_argument("--recipe", default="f32", help="of llmc compile [f32]")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}, or none [all]")
    parser.add_argument("--threads", default="2,1", help="numbers of threads, one after the other [2,1]")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the prompt [512]")
    parser.add_argument("--decode", type=int, help="tokens to decode after it [64; 16 with --quick]")
    parser.add_argument("--repeat", type=int, help="rounds that count [5; 2 with --quick]")
    parser.add_argument("--minutes", type=float, help="of rounds for one number of threads; after that no new one begins, "
                        "and at least one counts [no limit]")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and tokens: a look, not a figure")
    parser.add_argument("--quality", type=Path, metavar="FILE", help="what benchmarks/quality --peers wrote of another model: its divergences "
                        "from f32 stand beside the speeds")
    parser.add_argument("--no-install", action="store_true", help="only peers that are installed already")
    parser.add_argument("--json", type=Path, default=root / "build/bench/compare.json", metavar="FILE",
                        help="where everything measured goes [build/bench/compare.json]")
    options = parser.parse_args()
    options.decode = options.decode or (16 if options.quick else 64)
    options.repeat = options.repeat or (2 if options.quick else 5)
    options.peers = [] if options.peers == "none" else options.peers.split(",")
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        parser.error(f"expected peers of {', '.join(PEERS)} but got '{unknown[0]}'")
    try:
        options.threads = [int(n) for n in options.threads.split(",")]
    except ValueError:
        parser.error(f"expected numbers of threads but got '{options.threads}'")
    if min(*options.threads, options.prompt, options.decode, options.repeat, 1) < 1:
        parser.error("expected positive numbers of threads, tokens and rounds")
    if options.quality and not options.quality.is_file():
        parser.error(f"expected what benchmarks/quality --peers wrote at {options.quality}")
    if not options.llmc.is_file():
        parser.error(f"expected llmc at {options.llmc}: build it with scripts/build")
    if not options.gguf.is_file():
        if options.model is None:
            parser.error(f"expected a model at {options.gguf}: fetch it with scripts/fetch_model.py smollm2")
        options.gguf = None
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prompt_ids(length: int, turn: int, vocabulary: int) -> list[int]:
    """Made-up ids; another prompt each turn, so that a cache of prompts finds nothing."""
    return [(i * 7919 + 13 + 101 * turn) % vocabulary for i in range(length)]


class Ours:
    """llmc: a process per turn, which measures the memory, too."""

    def __init__(self, program: Path, bundle: Path, options):
        self.program, self.bundle, self.options = program, bundle, options

    def measure(self, threads: int) -> dict:
        text = output_of([self.program, "bench", self.bundle, "--json", "--threads", threads, "--repetitions", 1,
                          "--prompt-tokens", self.options.prompt, "--decode-tokens", self.options.decode])
        found = json.loads(text)
        return {"prefill": found["prefill_tokens_per_second"], "decode": found["decode_tokens_per_second"],
                "stream": found["stream_gigabytes_per_second"], "read": found["decode_gigabytes_per_second"],
                "replay": found["replay_tokens_per_second"], "replay_share": found["decode_share_of_replay"],
                "load": 1e-3 * found["load_ms"], "cpu": found["cpu"]}

    def greedy(self, ids: list[int], threads: int) -> list[int]:
        text = output_of([self.program, "generate", self.bundle, "-q", "--ids", ",".join(map(str, ids)),
                          "--max-tokens", GREEDY, "--threads", threads])
        return [int(x) for x in text.replace(",", " ").split()]


def load(options, threads: int, work: Path, unavailable: dict[str, str]) -> dict[str, Worker]:
    workers = {}
    for name in options.peers:
        if name in unavailable:
            continue
        say(f"loading {name}, {threads} threads")
        try:
            workers[name] = Worker(name, [options.model, options.gguf or "", work, threads,
                                          options.prompt + options.decode + 64], work / f"{name}.log", LIMIT)
        except PeerError as error:
            unavailable[name] = str(error)
    return workers


def turn(name: str, workers, ours: Ours, options, threads: int, number: int) -> dict:
    time.sleep(PAUSE)
    if name == OURS:
        return ours.measure(threads)
    ids = prompt_ids(options.prompt, number, options.vocabulary)
    return workers[name].ask(do="measure", ids=ids, decode=options.decode)


def compare(options, threads: int, ours: Ours, work: Path, unavailable: dict[str, str]) -> dict:
    """All rounds of one number of threads."""
    failed = dict(unavailable)
    workers = load(options, threads, work, failed)
    rounds, notes, loads = [], {}, []
    ids = prompt_ids(5, 0, options.vocabulary)
    expected = ours.greedy(ids, threads)

    def attempt(name: str, action):
        try:
            return action()
        except PeerError as error:
            if name == OURS:
                raise
            failed[name] = str(error)
            workers.pop(name).close()
            return None

    try:
        for name in list(workers):
            answer = attempt(name, lambda: workers[name].ask(do="greedy", ids=ids, count=GREEDY))
            if answer is not None:
                notes[name] = f"{figures.common_start(expected, answer['ids'])} of {len(expected)}"
        start = time.monotonic()
        for number in range(options.repeat + 1):  # the first warms pages and caches, and does not count
            if rounds and options.minutes is not None and time.monotonic() - start > 60 * options.minutes:
                say(f"{len(rounds)} of {options.repeat} rounds in {options.minutes:g} minutes")
                break
            names = [OURS, *workers]
            first = number % len(names)
            found = {}
            for name in names[first:] + names[:first]:  # nobody always follows the same one
                measured = attempt(name, lambda: turn(name, workers, ours, options, threads, number))
                if measured is not None:
                    found[name] = measured
            say(f"round {number} of {options.repeat}, {threads} threads, load average {os.getloadavg()[0]:.1f}")
            if number:
                rounds.append(found)
                loads.append(os.getloadavg()[0])
        load_seconds = {name: worker.load_seconds for name, worker in workers.items()}
        about = {name: worker.about for name, worker in workers.items() if worker.about}
    finally:
        for worker in workers.values():
            worker.close()
    return {"threads": threads, "rounds": rounds, "same_ids": notes, "load_average": loads, "unavailable": failed,
            "load_seconds": load_seconds, "about": about}


def own_costs(options, bundle: Path) -> dict:
    """What llmc compile takes, and how long after its start llmc generate prints."""
    say("measuring llmc compile")
    command = [options.llmc, "compile", options.model, "-o", bundle, "--force", "-q", "--entry=lm",
               f"--recipe={options.recipe}"]
    compiles = [cost_of(command) for _ in range(1 if options.quick else 3)]
    start = [options.llmc, "generate", bundle, "-q", "--ids", ",".join(map(str, prompt_ids(3, 0, options.vocabulary))), "--max-tokens", "1"]
    firsts = [seconds_to_first_byte(start) for _ in range(options.repeat + 1)][1:]
    return {"compile": compiles, "first_token": firsts}


def divergences(options) -> dict[str, str]:
    """Mean KL by the names of this table, of a file of benchmarks/quality."""
    if not options.quality:
        return {}
    results = json.loads(options.quality.read_text(encoding="utf-8"))["results"]
    found = {r["recipe"]: f"{r['eval']['kl_mean']['value']:.5f}" for r in results if "eval" in r}
    names = {name: f"llama.cpp {PEERS[name].kind}" if name.startswith("llama-") else name for name in options.peers}
    return {name: found[recipe] for name, recipe in {OURS: options.recipe, **names}.items() if recipe in found}


def replay_line(rounds: list[dict]) -> str:
    """How near decode comes to its own kernels back to back, each share taken within a round."""
    if any(r[OURS]["replay"] is None for r in rounds):
        return f"replay bound: none, the code of {OURS}'s bundle has no products of one token apart"
    bound = figures.figures_of(rounds, OURS, "replay")
    share = figures.spread([100 * r[OURS]["replay_share"] for r in rounds])
    return f"replay bound {bound.text(1)} tok/s, decode reaches {share.text()} % of it"


def report(options, result: dict) -> str:
    lines = [f"{result['cpu']}, {result['cores']} cores; {result['model']}, recipe {options.recipe}; prompt "
             f"{options.prompt}, then {options.decode} tokens; medians (min..max)"]
    if options.quick:
        lines.append("--quick: a look, not a figure")
    for run in result["runs"]:
        rounds, failed = run["rounds"], run["unavailable"]
        names = [OURS, *(n for n in options.peers if n not in failed)]
        stream, read = figures.figures_of(rounds, OURS, "stream"), figures.figures_of(rounds, OURS, "read")
        share = figures.spread([100 * r[OURS]["read"] / r[OURS]["stream"] for r in rounds])
        lines += ["", f"{run['threads']} threads, {len(rounds)} rounds, load average {figures.spread(run['load_average']).text(1)}; DRAM stream "
                      f"{stream.text(1)} GB/s; {OURS} decode reads {read.text(1)} GB/s: {share.text()} % of it",
                  replay_line(rounds),
                  figures.compared(rounds, names, OURS, run["same_ids"], divergences(options))]
        lines += [f"not measured: {name}: {reason}" for name, reason in failed.items()]
    if options.quality:
        about = json.loads(options.quality.read_text(encoding="utf-8"))
        lines += ["", f"mean KL from f32: of {about['model']} on {Path(about['text']).name}, by benchmarks/quality; speeds are of {result['model']}"]
    lines.append("")
    for name in options.peers:
        peer = PEERS[name]
        versions = ", ".join(f"{p} {packages.installed(p)}" for p in peer.packages if packages.installed(p))
        lines.append(f"{name}: {versions or 'not installed'}; weights {peer.recipe}; prefill computes logits of: {peer.logits}")
    for text in sorted({text for run in result["runs"] for text in run["about"].values()}):
        lines.append(f"llama.cpp says: {text}")
    lines.append(f"{OURS}: prefill computes logits of: last position")
    costs = result["costs"]
    for key, unit, scale, digits in (("seconds", "s", 1, 1), ("cpu_seconds", "s of processor", 1, 1),
                                     ("peak_rss", "MB peak, mapped files included", 1e-6, 0),
                                     ("peak_anonymous", "MB peak without mapped files", 1e-6, 0)):
        lines.append(f"llmc compile: {figures.spread([scale * c[key] for c in costs['compile']]).text(digits)} {unit}")
    lines.append(f"llmc generate, start to first token: {figures.spread([1e3 * s for s in costs['first_token']]).text()} ms")
    return "\n".join(lines)


def prepare(root: Path, options, work: Path) -> dict[str, str]:
    """Installs, makes the ONNX folder, and returns why which peers cannot run."""
    pins = packages.pins(root / "benchmarks/requirements.txt")
    needed = {"numpy", "onnx", "gguf"}.union(*(PEERS[name].packages for name in options.peers))
    failures = packages.install({n: v for n, v in pins.items() if n in needed}, work / "pip.log", not options.no_install)
    if any(name in failures for name in ("numpy", "onnx", "gguf")):
        raise PeerError("; ".join(failures.values()))
    if options.model is None:
        options.model = work / options.gguf.stem.rsplit(".", 1)[0]
        if not (options.model / "model.onnx").exists():
            say(f"converting {options.gguf.name}")
            output_of([sys.executable, root / "scripts/convert/gguf_to_onnx.py", options.gguf, "-o", options.model])
    options.vocabulary = json.loads((options.model / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    return {name: failures[package] for name in options.peers for package in PEERS[name].packages if package in failures}


def main(root: Path) -> int:
    options = options_of(root)
    work = root / "build" / "bench"
    work.mkdir(parents=True, exist_ok=True)
    try:
        unavailable = prepare(root, options, work)
        bundle = work / f"bundle.{options.recipe}"
        costs = own_costs(options, bundle)
        ours = Ours(options.llmc, bundle, options)
        runs = [compare(options, threads, ours, work, unavailable) for threads in options.threads]
    except (PeerError, OSError, ValueError) as error:
        say(f"error: {error}")
        return 1
    result = {"cpu": runs[0]["rounds"][0][OURS]["cpu"], "cores": len(os.sched_getaffinity(0)),
              "model": options.model.name, "recipe": options.recipe, "prompt": options.prompt, "decode": options.decode,
              "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "versions": {n: packages.installed(n) for n in packages.pins(root / "benchmarks/requirements.txt")},
              "logits": {name: PEERS[name].logits for name in options.peers}, "runs": runs, "costs": costs}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(report(options, result))
    say(f"wrote {options.json}")
    return 0
