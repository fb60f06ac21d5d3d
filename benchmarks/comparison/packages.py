# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Installs the pinned packages, each by itself: one that fails costs one peer."""
from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path


def pins(path: Path) -> dict[str, str]:
    """name -> version of a requirements file that pins all of them."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, separator, version = line.partition("==")
            if not separator:
                raise ValueError(f"{path.name}: expected NAME==VERSION but got '{line}'")
            found[name] = version
    return found


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install(wanted: dict[str, str], log: Path, allowed: bool = True) -> dict[str, str]:
    """name -> why it is not there at its version; a package that is there costs nothing."""
    failures = {}
    log.parent.mkdir(parents=True, exist_ok=True)
    # Some of them are built from source; one job leaves the machine to others.
    environment = {"CMAKE_BUILD_PARALLEL_LEVEL": "1", **os.environ}
    for name, version in wanted.items():
        if installed(name) == version:
            continue
        if not allowed:
            failures[name] = f"{name} {version} is not installed"
            continue
        print(f"installing {name} {version}", file=sys.stderr, flush=True)
        with open(log, "ab") as file:
            done = subprocess.run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
                                   f"{name}=={version}"], stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                                  env=environment)
        if done.returncode != 0 or installed(name) != version:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            reasons = [line for line in lines if "error" in line.lower()][-1:] or lines[-1:]
            failures[name] = f"pip could not install {name} {version}: {' '.join(reasons).strip()[:200]}"
    return failures
