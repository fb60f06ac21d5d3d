# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""benchmarks/quality: recipes of one model against one reference, on one text."""
from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from comparison import figures, ggml_formats, gguf_files, numpy_llama
from comparison.processes import PeerError, environment, output_of

STORIES = "stories15M.bin", "stories15M.tokenizer.bin"
LIMIT = 3600  # seconds for one evaluation
PROMPTS = 4  # of the text that are continued


def options_of(root: Path) -> argparse.Namespace:
    models = Path(os.environ.get("LLMC_MODELS") or root / "models")
    beside = root.parent / "shared/models/text/tinystories_valid_a.txt"
    parser = argparse.ArgumentParser(prog="quality", description="Evaluates recipes of one model against one reference.")
    parser.add_argument("--llmc", type=Path, default=root / "build/bin/llmc", help="the program [build/bin/llmc]")
    parser.add_argument("--model", type=Path, help="ONNX folder [stories15M, as scripts/fetch_model.py fetches it]")
    parser.add_argument("--text", type=Path, default=beside if beside.is_file() else None, help="UTF-8 text to predict")
    parser.add_argument("--recipes", default="f32", help="names and files of recipes, separated by commas [f32]")
    parser.add_argument("--reference", default="f32", help="the recipe that the others are measured against [f32]")
    parser.add_argument("--max-tokens", type=int, help="only the first tokens of the text [all]")
    parser.add_argument("--context", type=int, help="tokens of a window [the model's context, at most 2048]")
    parser.add_argument("--stride", type=int, help="tokens from window to window [no overlap]")
    parser.add_argument("--protocol", choices=["window", "llama.cpp"], default="window", help="of llmc eval [window]")
    parser.add_argument("--threads", type=int, help="threads [as llmc chooses]")
    parser.add_argument("--gguf", type=Path, help="the same model for llama.cpp, whose formats then stand in the table, too")
    parser.add_argument("--kinds", default="f32,q4_0,q4_k_m,iq4_nl", help=f"of {', '.join([*gguf_files.FLOATS, *gguf_files.TYPES])} "
                        "[f32,q4_0,q4_k_m,iq4_nl]")
    parser.add_argument("--peers", default="", metavar="KINDS", help="what peers make of the very weights of the model, by their own logits: types "
                        "as in --kinds, ort-int4, openvino-q4_0; f32 shows that it is the same model")
    parser.add_argument("--ggml", default="", metavar="TYPES", help="formats of ggml that the weights go through and back, like q4_k,iq4_nl, "
                        "and then f32 by llmc; q4_k/q8_0 names that of the embedding, too")
    parser.add_argument("--numpy", default="", metavar="KINDS", help="roundings of stories15M, or another tied Llama model, that NumPy computes "
                        "apart from llmc, beside llmc's own: sinq/u4g32,rtn/u3g32; f32 is the model as it is")
    parser.add_argument("--as-gguf", default="", metavar="RECIPES", help="recipes of --recipes that llmc compress also writes as GGUF files, which "
                        "llama.cpp reads: its perplexity and its greedy tokens beside llmc's own")
    parser.add_argument("--peer-python", type=Path, default=root / "build/venv-bench/bin/python", metavar="FILE",
                        help="a Python with llama-cpp-python [that of benchmarks/compare]")
    parser.add_argument("--json", type=Path, default=root / "build/bench/quality.json", metavar="FILE",
                        help="where everything measured goes [build/bench/quality.json]")
    options = parser.parse_args()
    options.recipes = options.recipes.split(",")
    options.numpy = options.numpy.split(",") if options.numpy else []
    options.as_gguf = options.as_gguf.split(",") if options.as_gguf else []
    if missing := [recipe for recipe in options.as_gguf if recipe not in options.recipes]:
        parser.error(f"expected '{missing[0]}' of --as-gguf among --recipes, too")
    try:
        for kind in options.numpy:
            kind == "f32" or numpy_llama.parse(kind)
    except ValueError as error:
        parser.error(str(error))
    unknown = [k for k in options.kinds.split(",") if k not in gguf_files.FLOATS and k not in gguf_files.TYPES]
    if options.gguf and unknown:
        parser.error(f"expected kinds of {', '.join([*gguf_files.FLOATS, *gguf_files.TYPES])} but got '{unknown[0]}'")
    if options.text is None:
        parser.error("expected --text FILE")
    if not options.llmc.is_file():
        parser.error(f"expected llmc at {options.llmc}: build it with scripts/build")
    options.stories = [models / name for name in STORIES]
    if options.model is None and not all(file.is_file() for file in options.stories):
        parser.error(f"expected {' and '.join(STORIES)} in {models}: fetch them with scripts/fetch_model.py stories15M "
                     "and scripts/fetch_model.py stories15M-tokenizer, or give --model FOLDER")
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def compiled(options, recipe: str, work: Path, model: Path | None = None) -> dict:
    """The bundle of a recipe, made anew, and what llmc info says of it."""
    model = model or options.model
    name = re.sub(r"[^\w.-]", "_", Path(recipe).name)
    bundle = work / f"{model.name}.{name}"
    say(f"compiling by {recipe}")
    start = time.perf_counter()
    output_of([options.llmc, "compile", model, "-o", bundle, "--force", "-q", "--entry=lm", f"--recipe={recipe}"])
    seconds = time.perf_counter() - start
    return {"bundle": bundle, "compile_seconds": seconds, "info": json.loads(output_of([options.llmc, "info", bundle, "--json"]))}


def evaluated(options, bundle: Path, reference: Path) -> dict:
    command = [options.llmc, "eval", bundle, "--against", reference, "--text", options.text, "--json", "-q",
               f"--protocol={options.protocol}"]
    for name in ("max-tokens", "context", "stride", "threads"):
        value = getattr(options, name.replace("-", "_"))
        if value is not None:
            command += [f"--{name}", value]
    return json.loads(output_of(command, LIMIT))


def row_of(result: dict, numbers: int) -> list[str]:
    """A line of the table; `numbers` is how many the model has, whatever they are stored as."""
    if "reason" in result:
        return [result["recipe"], *["-"] * 8]
    eval_, size = result["eval"], result["info"]["weight_bytes"]

    def interval(name: str, scale: float, digits: int) -> str:
        found = eval_[name]
        text = f"{scale * found['value']:.{digits}f}"
        return text + (f" [{scale * found['low']:.{digits}f}, {scale * found['high']:.{digits}f}]" if "low" in found else "")

    sizes = [f"{size / 1e6:.1f}", f"{8 * size / numbers:.2f}"] if size is not None else ["-", "-"]
    name = result["recipe"]
    return [Path(name).stem if name.endswith((".yaml", ".yml")) else name, *sizes, f"{eval_['perplexity']['value']:.4f}",
            interval("excess", 100, 3), interval("kl_mean", 1, 5), interval("kl_p99_9", 1, 3),
            interval("same_top1", 100, 2), f"{result['compile_seconds']:.1f}" if result["compile_seconds"] is not None else "-"]


def attempt(name: str, action) -> dict:
    """The result of an action, or why there is none."""
    try:
        return {"recipe": name, **action()}
    except (PeerError, subprocess.TimeoutExpired, RuntimeError, OSError, KeyError, ImportError) as error:
        return {"recipe": name, "reason": str(error)}


def by_recipe(options, recipe: str, reference: dict, work: Path) -> dict:
    made = reference if recipe == options.reference else compiled(options, recipe, work)
    say(f"evaluating {recipe}")
    return {"compile_seconds": made["compile_seconds"], "info": made["info"], "bundle": str(made["bundle"]),
            "eval": evaluated(options, made["bundle"], reference["bundle"])}


def through_ggml(options, kind: str, reference: Path, work: Path) -> dict:
    """The result of a model whose weights were encoded and decoded by ggml."""
    ggml = ggml_formats.library(options.peer_python)
    linear, _, embedding = kind.partition("/")
    folder = work / f"{options.model.name}-{linear}-{embedding or linear}"
    say(f"encoding by ggml's {kind}")
    size = ggml_formats.write(ggml, options.model, folder, linear, embedding or linear)
    made = compiled(options, "f32", work, folder)
    return {"compile_seconds": None, "info": {**made["info"], "weight_bytes": size}, "eval": evaluated(options, made["bundle"], reference)}


def scored_ids(options, first: dict) -> list[int]:
    """The tokens of the text that llmc scored."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    return tokenizer.encode(options.text.read_text(encoding="utf-8"), add_special_tokens=False).ids[:first["text_tokens"]]


def by_numpy(options, first: dict) -> list[dict]:
    """Results of NumPy's roundings, against its f32, on the tokens that llmc scored."""
    say(f"evaluating by NumPy: {', '.join(options.numpy)}")
    bos = json.loads((options.model / "config.json").read_text(encoding="utf-8"))["bos_token_id"]
    found = numpy_llama.evaluate(options.model, options.numpy, scored_ids(options, first), first["protocol"], bos)
    return [{"recipe": f"numpy {kind}", "compile_seconds": None, "info": {"weight_bytes": None}, "eval": eval_} for kind, eval_ in found.items()]


def recipes_like_numpy(options, work: Path) -> list[Path]:
    """Recipes of llmc for the same roundings, with inputs of 16 and of 8 bits."""
    files = {}
    for kind in options.numpy:
        for activations in ("i16", "i8"):
            if kind != "f32":
                text = numpy_llama.recipe(kind, activations)
                name = f"{kind.replace('-joint', '').replace('/', '-')}-{activations}.yaml"
                files[work / name] = text
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return list(files)


def by_llama(options, first: dict, work: Path, gguf: Path, kinds: list[str], reference: str, greedy: dict | None = None) -> dict:
    """What comparison.llama_quality prints, on the tokens that llmc scored."""
    import numpy as np
    if not options.peer_python.exists():
        raise PeerError(f"expected a Python with llama-cpp-python at {options.peer_python}: benchmarks/compare makes it, or give --peer-python")
    np.save(work / "quality-ids.npy", np.array(scored_ids(options, first)))
    command = [options.peer_python, "-m", "comparison.llama_quality", gguf, ",".join(kinds), reference, work / "quality-ids.npy",
               json.dumps(first["protocol"]), options.threads or first["threads"], work / "gguf", options.model, *([json.dumps(greedy)] if greedy else [])]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
                          env=environment(work / "home"))
    if done.returncode:
        raise PeerError(" ".join(done.stderr.strip().splitlines()[-1:])[:400])
    return json.loads(done.stdout)


def peers(options, first: dict, work: Path, gguf: Path, kinds: list[str]) -> list[dict]:
    """Results of peers and their formats, against llama.cpp's f32."""
    say(f"evaluating peers: {', '.join(kinds)}")
    names = {kind: kind if "-" in kind else f"llama.cpp {kind}" for kind in kinds}
    try:
        found = by_llama(options, first, work, gguf, kinds, "f32")
    except PeerError as error:
        return [{"recipe": names[kind], "reason": str(error)} for kind in kinds]
    return [{"recipe": names[kind], **(found[kind] if "reason" in found[kind] else
                                       {"compile_seconds": None, "info": {"weight_bytes": found[kind]["bytes"]}, "eval": found[kind]["eval"]})}
            for kind in kinds]


def continuations(options, bundle: Path, greedy: dict) -> list[list[int]]:
    """The most probable tokens by llmc; fewer where it comes to an end."""
    return [[int(part) for part in output_of([options.llmc, "generate", bundle, "--ids", ",".join(map(str, prompt)), "--temperature", "0",
                                              "--max-tokens", greedy["tokens"], "-q"]).strip().split(",") if part]
            for prompt in greedy["prompts"]]


def as_gguf(options, recipe: str, own: dict, work: Path) -> dict:
    """The result of llama.cpp on what `llmc compress` writes by the recipe, against the model written as f32; `own` is llmc's."""
    files, first = {}, own["eval"]
    for name in dict.fromkeys(("f32", recipe)):
        files[name] = work / f"{options.model.name}.{re.sub(r'[^A-Za-z0-9_-]', '_', Path(name).stem)}.gguf"
        say(f"writing {files[name].name}")
        output_of([options.llmc, "compress", options.model, "-o", files[name], "--force", "-q", f"--recipe={name}"])
    tokens, window = scored_ids(options, first), first["protocol"]["window"]
    bos = json.loads((options.model / "config.json").read_text(encoding="utf-8")).get("bos_token_id")
    length, starts = min(16, window // 4), [part * len(tokens) // PROMPTS for part in range(PROMPTS)]
    greedy = {"prompts": [([bos] if first["protocol"]["bos"] else []) + tokens[start:start + length] for start in starts],
              "tokens": min(32, window // 2)}
    say(f"evaluating {files[recipe].name} by llama.cpp")
    found = by_llama(options, first, work, files[recipe], [str(files[recipe])], str(files["f32"]), greedy)[str(files[recipe])]
    if "reason" in found:
        raise PeerError(found["reason"])
    pairs = [(a, b) for mine, theirs in zip(continuations(options, own["bundle"], greedy), found["greedy"]) for a, b in zip(mine, theirs)]
    return {"compile_seconds": None, "info": {"weight_bytes": found["bytes"]}, "eval": found["eval"],
            "own": {"perplexity": first["perplexity"]["value"], "greedy_tokens": len(pairs), "same": sum(a == b for a, b in pairs)}}


def report(content: dict) -> str:
    done = [r for r in content["results"] if "eval" in r]
    lines = []
    if done:
        first = done[0]["eval"]
        protocol = ", ".join(f"{key} {value}" for key, value in first["protocol"].items())
        lines += [f"{content['model']} on {Path(content['text']).name}: {first['scored_tokens']} of {first['text_tokens']} tokens "
                  f"scored; {protocol}; reference {content['reference']}: perplexity {first['reference_perplexity']['value']:.4f}"]
    head = ["recipe", "MB", "bits/weight", "perplexity", "excess %", "mean KL", "99.9 % KL", "same best %", "compile s"]
    lines.append(figures.table(head, [row_of(r, content["numbers"]) for r in content["results"]]))
    for result in content["results"]:
        if own := result.get("own"):
            theirs = result["eval"]["perplexity"]["value"]
            lines.append(f"{result['recipe']}: perplexity {theirs:.4f} by llama.cpp, {own['perplexity']:.4f} by llmc "
                         f"({100 * (theirs / own['perplexity'] - 1):+.3f} %); {own['same']} of {own['greedy_tokens']} greedy tokens are the same")
    lines += [f"not measured: {r['recipe']}: {r['reason']}" for r in content["results"] if "reason" in r]
    return "\n".join(lines)


def stories(root: Path, options, work: Path) -> Path:
    folder = work / "stories15M"
    if not (folder / "model.onnx").exists():
        say("converting stories15M")
        output_of([sys.executable, root / "scripts/convert/llama2c_to_onnx.py", options.stories[0], "--tokenizer", options.stories[1],
                   "-o", folder])
    return folder


def main(root: Path) -> int:
    options = options_of(root)
    work = root / "build" / "bench"
    work.mkdir(parents=True, exist_ok=True)
    try:
        options.model = options.model or stories(root, options, work)
        reference = compiled(options, options.reference, work)
        results = []
        for recipe in [*options.recipes, *map(str, recipes_like_numpy(options, work))]:
            results.append(attempt(recipe, lambda: by_recipe(options, recipe, reference, work)))
        for recipe in options.as_gguf:
            own = next(r for r in results if r["recipe"] == recipe)
            if "eval" in own:
                results.append(attempt(f"{recipe} as GGUF",
                                       lambda: as_gguf(options, recipe, own, work)))
        for kind in options.ggml.split(",") if options.ggml else []:
            results.append(attempt(f"ggml {kind}", lambda: through_ggml(options, kind, reference["bundle"], work)))
        if options.gguf or options.numpy or options.peers:
            done = [r["eval"] for r in results if "eval" in r] or [evaluated(options, reference["bundle"], reference["bundle"])]
            results += by_numpy(options, done[0]) if options.numpy else []
            results += peers(options, done[0], work, options.gguf, options.kinds.split(",")) if options.gguf else []
            if options.peers:  # of the weights themselves, made anew
                made = work / f"{options.model.name}.f32.gguf"
                made.unlink(missing_ok=True)
                results += peers(options, done[0], work, made, options.peers.split(","))
    except (PeerError, subprocess.TimeoutExpired, OSError, ValueError) as error:
        say(f"error: {error}")
        return 1
    content = {"model": options.model.name, "text": str(options.text), "reference": options.reference,
               "numbers": reference["info"]["numbers"],
               "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "results": results}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(report(content))
    say(f"wrote {options.json}")
    return int(any("reason" in result for result in results))
