# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Cuts and changes bytes of good files. Each round is a command that must end
with success or a clear error, in time and in bounded memory.

Rounds follow from a seed that is printed; $LLMC_FUZZ_SEED and $LLMC_FUZZ_ROUNDS
choose others. Mutations know a little of what they break: a byte, a bit, a run
of bytes, a number at its limits, a piece twice, a piece missing, the end."""
from __future__ import annotations

import os
import random
import shutil
import sys
import unittest
from pathlib import Path

import onnx

from hostile import MODELS, HostileCase, run

SEED = int(os.environ.get("LLMC_FUZZ_SEED", "20260101"))
ROUNDS = int(os.environ.get("LLMC_FUZZ_ROUNDS", "40"))
LIMITS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF]
# Places in JSON where another value changes the meaning most.
WORDS = [b"-1", b"0", b"1e99", b"9223372036854775807", b"18446744073709551616", b"null", b'""', b"[]", b"{}", b'"\\u0000"',
         b"true", b"[[[[[[[[", b"\xff"]


def mutate(data: bytes, dice: random.Random) -> bytes:
    kind = dice.randrange(7)
    at = dice.randrange(len(data))
    if kind == 0:  # the end is missing
        return data[:at]
    if kind == 1:  # one bit
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1:]
    if kind == 2:  # one byte
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1:]
    if kind == 3:  # noise
        size = dice.randrange(1, 17)
        return data[:at] + dice.randbytes(size) + data[at + size:]
    if kind == 4:  # a number at its limits
        size = dice.choice((1, 2, 4, 8))
        value = dice.choice(LIMITS) & (1 << 8 * size) - 1
        return data[:at] + value.to_bytes(size, "little") + data[at + size:]
    size = dice.randrange(1, 65)
    if kind == 5:  # a piece twice
        return data[:at] + data[at:at + size] * 2 + data[at + size:]
    return data[:at] + data[at + size:]


def mutate_json(data: bytes, dice: random.Random) -> bytes:
    """Half of the time a whole word instead of bytes."""
    if dice.randrange(2):
        return mutate(data, dice)
    starts = [i for i, c in enumerate(data) if c in b':,[{' and i + 1 < len(data)]
    at = dice.choice(starts) + 1
    end = min((p for p in (data.find(c, at) for c in (b",", b"}", b"]")) if p >= 0), default=len(data))
    return data[:at] + dice.choice(WORDS) + data[end:]


NUMBERS = [-9223372036854775808, -1, 0, 1, 2, 3, 64, 65536, 2147483647, 1 << 40, 9223372036854775807]


def mutate_node(graph: onnx.GraphProto, dice: random.Random) -> None:
    """One node reads, is, or does something else; what the file says stays whole."""
    node = dice.choice(graph.node)
    other = dice.choice(graph.node)
    names = [i.name for i in graph.input] + [i.name for i in graph.initializer] + [o for n in graph.node for o in n.output]
    kind = dice.randrange(8)
    if kind == 0 and node.input:
        node.input[dice.randrange(len(node.input))] = dice.choice(names + [""])
    elif kind == 1:
        node.op_type, node.domain = other.op_type, other.domain
    elif kind == 2 and node.attribute:
        del node.attribute[dice.randrange(len(node.attribute))]
    elif kind == 3 and other.attribute:
        node.attribute.append(dice.choice(other.attribute))
    elif kind == 4 and node.attribute:
        attribute = dice.choice(node.attribute)
        if attribute.ints:
            attribute.ints[dice.randrange(len(attribute.ints))] = dice.choice(NUMBERS)
        else:
            attribute.i = dice.choice(NUMBERS)
    elif kind == 5 and node.input:
        node.input.append(dice.choice(names))
    elif kind == 6 and node.output:
        node.output.append(dice.choice(names) + dice.choice(("", "new")))
    elif node.input:
        del node.input[dice.randrange(len(node.input))]


def mutate_model(data: bytes, dice: random.Random) -> bytes:
    """A model of valid protobuf that does not fit together."""
    model = onnx.load_model_from_string(data)
    graph = model.graph
    for _ in range(dice.choice((1, 1, 2, 4))):
        kind = dice.randrange(5)
        tensors = list(graph.initializer) + [a.t for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.TENSOR]
        values = [v for v in list(graph.input) + list(graph.output) if v.type.tensor_type.shape.dim]
        if kind == 0 and tensors:
            tensor = dice.choice(tensors)
            if dice.randrange(2) and tensor.dims:
                tensor.dims[dice.randrange(len(tensor.dims))] = dice.choice(NUMBERS)
            else:
                tensor.data_type = dice.randrange(28)
        elif kind == 1 and values:
            dims = dice.choice(values).type.tensor_type.shape.dim
            dims[dice.randrange(len(dims))].dim_value = dice.choice(NUMBERS)
        elif kind == 2 and values:
            dice.choice(values).type.tensor_type.elem_type = dice.randrange(25)
        else:
            mutate_node(graph, dice)
    return model.SerializeToString()


class Fuzz(HostileCase):
    @classmethod
    def setUpClass(cls):
        print(f"fuzz seed {SEED}, {ROUNDS} rounds", file=sys.stderr)

    def rounds(self, name: str, count: int = ROUNDS):
        for number in range(count):
            yield number, random.Random(f"{SEED} {name} {number}")

    def models(self, source: Path, mutation, *command: str, count: int = ROUNDS) -> None:
        """Mutates model.onnx in a copy of a folder."""
        target = self.folder / "model"
        shutil.copytree(source, target)
        data = (target / "model.onnx").read_bytes()
        for number, dice in self.rounds(f"{source.name} {command[0]}", count):
            (target / "model.onnx").write_bytes(mutation(data, dice))
            outcome = run(command[0], target, *command[1:])
            self.clean(outcome, f"round {number} of {source.name}")

    # The first form has its weights outside, so that nearly all bytes are structure.
    def test_bytes_imported(self):
        self.models(MODELS / "llama/genai_fp32", mutate, "info")

    def test_bytes_fused(self):
        self.models(MODELS / "llama16/genai_fp32", mutate, "compile", "--emit=nn", "-o", str(self.out / "nn.mlir"))

    def test_graphs_imported(self):
        self.models(MODELS / "qwen3/dynamo", mutate_model, "info")

    def test_graphs_fused(self):
        self.models(MODELS / "llama/optimum", mutate_model, "compile", "--emit=nn", "-o", str(self.out / "nn.mlir"))

    def test_graphs_of_quantized_weights(self):
        self.models(MODELS / "llama16/genai_int4", mutate_model, "compile", "--emit=nn", "-o", str(self.out / "nn.mlir"))

    def test_graphs_lowered(self):
        self.models(MODELS / "llama16/genai_fp32", mutate_model, "compile", "--entry=main", "--emit=llvm", "-o",
                    str(self.out / "code.mlir"))

    def test_graphs_compiled(self):
        self.models(MODELS / "llama16/genai_fp32", mutate_model, "compile", "--emit=asm", "-o", str(self.out / "code.s"),
                    count=ROUNDS // 4)

    def test_configuration_beside_the_model(self):
        target = self.folder / "model"
        shutil.copytree(MODELS / "llama16/genai_fp32", target)
        data = (target / "genai_config.json").read_bytes()
        for number, dice in self.rounds("config"):
            (target / "genai_config.json").write_bytes(mutate_json(data, dice))
            outcome = run("compile", target, "--emit=nn", "-o", self.out / "nn.mlir")
            self.clean(outcome, f"round {number}")

    def bundles(self, name: str, mutation, *command: str) -> None:
        source = self.toy("source")
        target = self.folder / "bundle"
        data = (source / name).read_bytes()
        for number, dice in self.rounds(f"{name} {command[0]}"):
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target)
            (target / name).write_bytes(mutation(data, dice))
            self.clean(run(command[0], target, *command[1:]), f"round {number} of {name}")

    def test_manifests_shown(self):
        self.bundles("manifest.json", mutate_json, "info")

    def test_manifests_run(self):
        self.bundles("manifest.json", mutate_json, "generate", "--ids", "1,5,9", "--max-tokens", "3", "--threads", "1")

    def test_weights(self):
        self.bundles("weights.safetensors", mutate, "generate", "--ids", "1,5,9", "--max-tokens", "3", "--threads", "1")

    def test_code(self):
        self.bundles("model.so", mutate, "generate", "--ids", "1,5,9", "--max-tokens", "3", "--threads", "1")

    def test_tokenizers(self):
        self.bundles("tokenizer.json", mutate_json, "generate", "--prompt", "w6 w7", "--max-tokens", "3", "--threads", "1")

    def test_templates(self):
        self.bundles("tokenizer_config.json", mutate_json, "generate", "--chat", "--prompt", "w6", "--max-tokens", "3",
                     "--threads", "1")


if __name__ == "__main__":
    unittest.main()
