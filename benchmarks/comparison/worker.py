# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The process of one peer: reads requests, answers each with one line of JSON.

    python -m comparison.worker NAME MODEL GGUF WORK THREADS CONTEXT

Libraries print to standard output as they like, so the answers go to a copy of
it, and the original becomes standard error.
"""
from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> int:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**content) -> None:
        answers.write(json.dumps(content) + "\n")

    name, model, gguf, work, threads, context = sys.argv[1:7]
    try:
        from comparison.peers import PEERS, Setting
        peer = PEERS[name]
        setting = Setting(Path(model), Path(gguf) if gguf else None, Path(work), int(threads), int(context))
        start = time.perf_counter()
        runner = peer.maker(setting, peer.kind)
        answer(load_seconds=time.perf_counter() - start, about=getattr(runner, "about", ""))
        for line in sys.stdin:
            request = json.loads(line)
            if request["do"] == "greedy":
                answer(ids=runner.greedy(request["ids"], request["count"]))
            else:
                prefill, token = runner.measure(request["ids"], request["decode"])
                answer(prefill=len(request["ids"]) / prefill, decode=1 / token)
    except Exception as error:  # whatever goes wrong in a peer is what the report says of it
        answer(error=f"{type(error).__name__}: {error}"[:500])
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # some of them crash while they are taken down
