# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Decodes compressed ONNX models with NumPy, from what the operators' own
documentation says, and runs models with ONNX Runtime."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
LLMC = Path(os.environ.get("LLMC_BUILD", ROOT / "build")) / "bin/llmc"
MODELS = ROOT / "test/models"


def llmc(*arguments, code: int = 0, **options) -> str:
    """Runs llmc; returns what it says."""
    done = subprocess.run([str(LLMC), *map(str, arguments)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == code, f"expected exit code {code} but got {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def unpack(data: np.ndarray, bits: int) -> np.ndarray:
    """Bytes into integers along the last axis, the low bits first."""
    each = 8 // bits
    parts = data[..., None] >> np.arange(0, 8, bits, dtype=np.uint8) & (1 << bits) - 1
    return parts.reshape(*data.shape[:-1], data.shape[-1] * each).astype(np.int64)


def scaled(codes: np.ndarray, zeros, scales: np.ndarray, block: int) -> np.ndarray:
    """[rows, columns] of (code - zero) * scale in f64, rounded to f32 once."""
    spread = lambda values: np.repeat(np.asarray(values, np.float64), block, 1)[:, :codes.shape[1]]
    return ((codes - spread(zeros)) * spread(scales)).astype(np.float32)


class Compressed:
    """A compressed model: its matrices as [rows, columns], by the node that has them."""

    def __init__(self, path: Path):
        self.path = path
        self.model = onnx.load(path)
        self.tensors = {t.name: t for t in self.model.graph.initializer}

    def array(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.tensors[name])

    def packed(self, node) -> np.ndarray:
        """Of MatMulNBits or GatherBlockQuantized."""
        attribute = {a.name: a.i for a in node.attribute}
        bits, block = attribute["bits"], attribute["block_size"]
        gather = node.op_type == "GatherBlockQuantized"
        data = self.array(node.input[0 if gather else 1])
        codes = unpack(data.reshape(len(data), -1), bits)
        columns = codes.shape[1] if gather else attribute["K"]
        scales = self.array(node.input[2])
        zeros = np.full(scales.shape, 1 << bits - 1)
        if len(node.input) > 3 and node.input[3]:
            zeros = unpack(self.array(node.input[3]), bits)[:, :scales.shape[1]]
        return scaled(codes[:, :columns], zeros, scales, block)

    def dequantized(self, node) -> np.ndarray:
        """Of DequantizeLinear, in the shape of its result."""
        attribute = {a.name: a.i for a in node.attribute}
        codes = self.array(node.input[0]).astype(np.int64)
        scales = self.array(node.input[1])
        zeros = self.array(node.input[2]).astype(np.int64) if len(node.input) > 2 else np.zeros(scales.shape, np.int64)
        axis, block = attribute["axis"], attribute.get("block_size", codes.shape[1 - attribute["axis"]])
        if scales.ndim == 1:
            scales, zeros = np.expand_dims(scales, 1 - axis), np.expand_dims(zeros, 1 - axis)
            axis = 1 - axis
        if axis == 0:
            return scaled(codes.T, zeros.T, scales.T, block).T
        return scaled(codes, zeros, scales, block)

    def nodes(self, *operators: str) -> list:
        return [n for n in self.model.graph.node if n.op_type in operators]

    def plain(self, path: Path) -> Path:
        """Writes the same model with f32 matrices and standard operators."""
        graph, nodes = self.model.graph, []

        def weight(values: np.ndarray, name: str) -> str:
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
            return name

        for i, node in enumerate(graph.node):
            if node.op_type == "MatMulNBits":
                name = weight(self.packed(node).T, f"plain_{i}")
                node = helper.make_node("MatMul", [node.input[0], name], node.output, name=node.name)
            elif node.op_type == "GatherBlockQuantized":
                name = weight(self.packed(node), f"plain_{i}")
                node = helper.make_node("Gather", [name, node.input[1]], node.output, axis=0)
            elif node.op_type == "DequantizeLinear":
                weight(self.dequantized(node), node.output[0])
                continue
            nodes.append(node)
        del graph.node[:]
        graph.node.extend(nodes)
        onnx.save(self.model, path)
        return path


def session(path: Path):
    """As the nodes stand: ONNX Runtime else joins DequantizeLinear and MatMul and rounds their inputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def inputs(model, batch: int = 1, length: int = 9, seed: int = 3) -> dict:
    """Inputs for a session of one of the tiny models: ids, masks, positions, empty pasts."""
    rng, feed = np.random.default_rng(seed), {}
    kinds = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32, "tensor(float16)": np.float16}
    for value in model.get_inputs():
        kind = kinds[value.type]
        if "past" in value.name:
            size = value.shape[3] if isinstance(value.shape[3], int) else 16  # GenAI names the size of a head
            feed[value.name] = np.zeros((batch, value.shape[1], 0, size), kind)
        elif "position" in value.name:
            feed[value.name] = np.broadcast_to(np.arange(length, dtype=kind), (batch, length)).copy()
        elif "mask" in value.name:
            feed[value.name] = np.ones((batch, length), kind)
        elif "type" in value.name:
            feed[value.name] = np.zeros((batch, length), kind)
        else:
            feed[value.name] = rng.integers(1, 60, (batch, length), kind)
    return feed


def outputs(path: Path) -> dict[str, np.ndarray]:
    running = session(path)
    return dict(zip([o.name for o in running.get_outputs()], running.run(None, inputs(running))))


def stored(bundle: Path) -> dict[str, bytes]:
    """The packed tensors of a bundle."""
    import json
    raw = (bundle / "weights.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + size])
    return {name: raw[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]]
            for name, entry in header.items() if name != "__metadata__" and not name.startswith("__padding__.")}
