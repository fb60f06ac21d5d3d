# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Table of the exports under OUT: sizes, opsets, node types, onnx.checker, golden summary. check_tiny.py OUT"""
import json
import sys
from collections import Counter
from pathlib import Path

import onnx

for form in sorted(p.parent for p in Path(sys.argv[1]).glob("*/*/golden.json")):
    result, path = json.loads((form / "golden.json").read_text()), form / "model.onnx"
    size = sum(f.stat().st_size for f in form.iterdir() if f.name != "golden.json")
    line = dict(form=f"{form.parent.name}/{form.name}", bytes=size, golden={k: v for k, v in result.items() if k != "cases"})
    if "accuracy_level_1" in result:
        line["golden"]["accuracy_level_1"] = {k: v for k, v in result["accuracy_level_1"].items() if k != "cases"}
    if path.exists():
        try:
            line["checker"] = onnx.checker.check_model(str(path), full_check=True) or "ok"
        except Exception as error:
            line["checker"] = str(error).splitlines()[0]
        proto = onnx.load(path, load_external_data=False)
        line.update(ir=proto.ir_version, opsets={o.domain or "ai.onnx": o.version for o in proto.opset_import},
                    nodes=len(proto.graph.node), types=dict(Counter(n.op_type for n in proto.graph.node).most_common()))
    print(json.dumps(line))
