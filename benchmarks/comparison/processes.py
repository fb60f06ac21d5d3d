# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""llmc and the workers as child processes, and what a child costs."""
from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

# Must be set before the libraries are loaded. The last three are read by
# libraries for threads; a value left over from the caller would be unfair.
QUIET = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1", "HF_HUB_OFFLINE": "1",
         "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
UNSET = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_AFFINITY")


class PeerError(RuntimeError):
    pass


def environment(home: Path) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    found = {k: v for k, v in os.environ.items() if k not in UNSET}
    return {**found, **QUIET, "HOME": str(home), "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


class Worker:
    """One peer, loaded; `ask` sends a request and waits for its answer."""

    def __init__(self, name: str, arguments: list, log: Path, limit: float):
        self.name, self.log, self.limit = name, log, limit
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "wb") as errors:
            self.process = subprocess.Popen([sys.executable, "-m", "comparison.worker", name, *map(str, arguments)],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            env=environment(log.parent / "home"), text=True, bufsize=1)
        loaded = self._answer()
        self.load_seconds, self.about = loaded["load_seconds"], loaded["about"]

    def _answer(self) -> dict:
        ready, _, _ = select.select([self.process.stdout], [], [], self.limit)
        line = self.process.stdout.readline() if ready else ""
        if not ready:
            self.close()
            raise PeerError(f"no answer in {self.limit:.0f} s")
        if not line:
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise PeerError(f"ended with code {self.process.wait()}: {' '.join(tail)[:300]}")
        answer = json.loads(line)
        if "error" in answer:
            self.close()
            raise PeerError(answer["error"])
        return answer

    def ask(self, **request) -> dict:
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
        except BrokenPipeError:
            pass  # the answer says how it ended
        return self._answer()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass


def output_of(command: list, limit: float = 600) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=limit,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PeerError(f"{' '.join(map(str, command[:2]))}: {done.stderr.strip()[-400:]}")
    return done.stdout


def _status(pid: int) -> dict[str, int]:
    """VmHWM, RssAnon and the like in bytes; empty once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {f[0].rstrip(":"): 1024 * int(f[1]) for f in fields}


def cost_of(command: list, interval: float = 0.002) -> dict[str, float]:
    """Seconds and bytes of a command. Pages of mapped files count in
    `peak_rss` but not in `peak_anonymous`, which is sampled."""
    start, anonymous = time.perf_counter(), 0
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        anonymous = max(anonymous, _status(process.pid).get("RssAnon", 0))
        time.sleep(interval)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    errors = process.stderr.read().decode("utf-8", "replace")
    process.stderr.close()
    if process.returncode != 0:
        raise PeerError(f"{' '.join(map(str, command[:2]))}: {errors.strip()[-400:]}")
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_rss": 1024 * usage.ru_maxrss,
            "peak_anonymous": anonymous}


def seconds_to_first_byte(command: list) -> float:
    """From the start of the process to its first byte on standard output."""
    start = time.perf_counter()
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        first = process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.stdout.read()
    if not first or process.returncode != 0:
        raise PeerError(f"{' '.join(map(str, command[:2]))} ended with code {process.returncode}")
    return seconds
