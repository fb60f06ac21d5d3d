#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a model of any size, of which no two matrices are equal: gated layers
of random numbers, in external data.

    synthetic.py FOLDER [--layers N] [--width N] [--hidden N]
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper


def write_model(folder: Path, layers: int, width: int, hidden: int) -> int:
    """FOLDER/model.onnx with model.onnx.data; returns the bytes of all weights.

    A layer is x = ((x G) * relu(x U)) D with G, U [width, hidden] and D [hidden,
    width], as MatMul has them. Memory is that of two matrices."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(5)
    # Columns of different size, as evening out wants them.
    base = random.standard_normal(width * hidden, np.float32) / np.float32(np.sqrt(width))
    base *= np.resize(np.exp(random.standard_normal(61)).astype(np.float32), base.size)
    nodes, tensors, offset = [], [], 0
    with (folder / "model.onnx.data").open("wb") as data:
        for index in range(3 * layers):
            layer, part = divmod(index, 3)
            np.multiply(base, np.float32(1 + index / 64), dtype=np.float32).tofile(data)
            shape = [hidden, width] if part == 2 else [width, hidden]
            tensor = TensorProto(name=f"layers.{layer}.{('gate', 'up', 'down')[part]}.weight", dims=shape,
                                 data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
            for key, value in (("location", "model.onnx.data"), ("offset", offset), ("length", base.nbytes)):
                tensor.external_data.add(key=key, value=str(value))
            tensors.append(tensor)
            offset += base.nbytes
        for layer in range(layers):
            x, y = f"x{layer}", f"x{layer + 1}"
            gate, up, down = (t.name for t in tensors[3 * layer:3 * layer + 3])
            nodes += [helper.make_node("MatMul", [x, gate], [f"{y}.gate"]), helper.make_node("MatMul", [x, up], [f"{y}.up"]),
                      helper.make_node("Relu", [f"{y}.up"], [f"{y}.relu"]),
                      helper.make_node("Mul", [f"{y}.gate", f"{y}.relu"], [f"{y}.product"]),
                      helper.make_node("MatMul", [f"{y}.product", down], [y])]
    inputs, outputs = (helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, ["n", width]) for i in (0, layers))
    graph = helper.make_graph(nodes, "synthetic", [inputs], [outputs], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return offset


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes a model of random numbers, of any size.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--hidden", type=int, default=4096)
    options = parser.parse_args()
    size = write_model(options.folder, options.layers, options.width, options.hidden)
    print(f"{size} bytes of weights in {options.folder}")


if __name__ == "__main__":
    main()
