# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The peers: how each is loaded, and how its prefill and decode are timed.

A peer lives in a process of its own (worker.py). `measure` returns seconds of
reading the prompt and of each later token; in all of them the clock of prefill
stops when the logits after the prompt are there.
"""
from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    model: Path  # the ONNX folder llmc compiles
    gguf: Path | None  # where both come from
    work: Path  # for files that a peer needs and that we make
    threads: int
    context: int  # tokens: prompt and decode, with room to spare


class OnnxRuntimeGenAI:
    """The form of genai_model.py: GroupQueryAttention, shared buffers; f32, or int4 with
    products of int8 (accuracy_level 4)."""

    def __init__(self, setting: Setting, kind: str):
        import onnxruntime_genai as runtime

        from comparison import genai_model
        folder = setting.work / f"genai-{kind}"
        genai_model.write(setting.model, folder, setting.threads, kind == "int4")
        self.runtime, self.context = runtime, setting.context
        self.model = runtime.Model(str(folder))

    def _start(self, ids: list[int]):
        import numpy
        parameters = self.runtime.GeneratorParams(self.model)
        parameters.set_search_options(max_length=self.context, do_sample=False)
        generator = self.runtime.Generator(self.model, parameters)
        start = time.perf_counter()
        generator.append_tokens(numpy.array([ids], numpy.int32))
        generator.generate_next_token()  # chooses; the next one runs the model
        return generator, time.perf_counter() - start

    def measure(self, ids: list[int], decode: int) -> tuple[float, float]:
        generator, prefill = self._start(ids)
        start = time.perf_counter()
        for _ in range(decode):
            generator.generate_next_token()
        return prefill, (time.perf_counter() - start) / decode

    def greedy(self, ids: list[int], count: int) -> list[int]:
        generator, _ = self._start(ids)
        for _ in range(count - 1):
            generator.generate_next_token()
        return [int(x) for x in generator.get_sequence(0)[len(ids):]]


class OnnxRuntimePlain:
    """f32, the very ONNX file llmc compiles: past and present are copied each step."""

    def __init__(self, setting: Setting, kind: str):
        import numpy
        import onnxruntime
        self.numpy = numpy
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = setting.threads
        self.session = onnxruntime.InferenceSession(str(setting.model / "model.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.pasts = [i for i in self.session.get_inputs() if i.name.startswith("past_key_values.")]
        self.outputs = ["logits", *(i.name.replace("past_key_values", "present") for i in self.pasts)]

    def _run(self, ids: list[int], position: int, pasts: list):
        import onnxruntime
        numpy, binding = self.numpy, self.session.io_binding()
        binding.bind_cpu_input("input_ids", numpy.array([ids], numpy.int64))
        binding.bind_cpu_input("attention_mask", numpy.ones((1, position + len(ids)), numpy.int64))
        binding.bind_cpu_input("position_ids", numpy.arange(position, position + len(ids), dtype=numpy.int64)[None])
        for entry, past in zip(self.pasts, pasts):
            binding.bind_ortvalue_input(entry.name, past)
        for name in self.outputs:
            binding.bind_output(name, "cpu")
        self.session.run_with_iobinding(binding)
        logits, *presents = binding.get_outputs()
        return int(logits.numpy()[0, -1].argmax()), presents

    def _start(self, ids: list[int]):
        import onnxruntime
        empty = [onnxruntime.OrtValue.ortvalue_from_numpy(
            self.numpy.zeros((1, i.shape[1], 0, i.shape[3]), self.numpy.float32)) for i in self.pasts]
        start = time.perf_counter()
        token, pasts = self._run(ids, 0, empty)
        return token, pasts, time.perf_counter() - start

    def measure(self, ids: list[int], decode: int) -> tuple[float, float]:
        token, pasts, prefill = self._start(ids)
        start = time.perf_counter()
        for i in range(decode):
            token, pasts = self._run([token], len(ids) + i, pasts)
        return prefill, (time.perf_counter() - start) / decode

    def greedy(self, ids: list[int], count: int) -> list[int]:
        token, pasts, _ = self._start(ids)
        found = [token]
        while len(found) < count:
            token, pasts = self._run([token], len(ids) + len(found) - 1, pasts)
            found.append(token)
        return found


class LlamaCpp:
    """GGUF of one type; the whole prompt in one batch, logits of its last token."""

    def __init__(self, setting: Setting, kind: str):
        import llama_cpp
        if setting.gguf is None:
            raise RuntimeError("expected a GGUF file: give --gguf")
        from comparison import gguf_files
        path = gguf_files.ensure(setting.gguf, kind, setting.work / "gguf")
        self.model = llama_cpp.Llama(model_path=str(path), n_ctx=setting.context, n_batch=512, n_ubatch=512,
                                     n_threads=setting.threads, n_threads_batch=setting.threads, n_gpu_layers=0,
                                     verbose=False)
        self.about = llama_cpp.llama_print_system_info().decode()  # which kernels it was built with and found

    def _argmax(self) -> int:
        import numpy
        logits = self.model._ctx.get_logits_ith(-1)
        return int(numpy.ctypeslib.as_array(logits, (self.model.n_vocab(),)).argmax())

    def measure(self, ids: list[int], decode: int) -> tuple[float, float]:
        self.model.reset()
        start = time.perf_counter()
        self.model.eval(ids)
        middle = time.perf_counter()
        for i in range(decode):
            self.model.eval([ids[i % len(ids)]])
        return middle - start, (time.perf_counter() - middle) / decode

    def greedy(self, ids: list[int], count: int) -> list[int]:
        self.model.reset()
        self.model.eval(ids)
        found = [self._argmax()]
        while len(found) < count:
            self.model.eval(found[-1:])
            found.append(self._argmax())
        return found


class OpenVinoGenAI:
    """A GGUF. It reads no f32 file and takes Q4_1 for something else, so the float
    comparison is an f16 file with f32 arithmetic and cache."""

    def __init__(self, setting: Setting, kind: str):
        import numpy
        import openvino
        import openvino_genai
        if setting.gguf is None:
            raise RuntimeError("expected a GGUF file: give --gguf")
        from comparison import gguf_files
        path = gguf_files.ensure(setting.gguf, kind, setting.work / "gguf")
        exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        self.numpy, self.tensor, self.config = numpy, openvino.Tensor, openvino_genai.GenerationConfig
        self.pipeline = openvino_genai.LLMPipeline(str(path), "CPU", INFERENCE_NUM_THREADS=setting.threads,
                                                   **(exact if kind == "f16" else {}))

    def _generate(self, ids: list[int], count: int):
        config = self.config()
        config.max_new_tokens, config.ignore_eos, config.do_sample = count, True, False
        return self.pipeline.generate(self.tensor(self.numpy.array([ids], self.numpy.int64)), config)

    def measure(self, ids: list[int], decode: int) -> tuple[float, float]:
        metrics = self._generate(ids, decode + 1).perf_metrics
        return 1e-3 * metrics.get_ttft().mean, 1e-3 * metrics.get_tpot().mean

    def greedy(self, ids: list[int], count: int) -> list[int]:
        return [int(x) for x in self._generate(ids, count).tokens[0]]


@dataclass(frozen=True)
class Peer:
    name: str
    kind: str
    maker: type
    packages: tuple[str, ...]  # of requirements.txt, whose versions the report names
    recipe: str  # "f32": the fair comparison; else what its weights are
    logits: str  # which positions prefill computes logits of


_LAST, _ALL = "last position", "all positions"
_LLAMA, _OPENVINO = ("llama-cpp-python",), ("openvino", "openvino-genai")
PEERS = {p.name: p for p in (
    Peer("ort-genai", "f32", OnnxRuntimeGenAI, ("onnxruntime", "onnxruntime-genai"), "f32", _LAST),
    Peer("ort-int4", "int4", OnnxRuntimeGenAI, ("onnxruntime", "onnxruntime-genai"), "4 bits", _LAST),
    Peer("ort-plain", "f32", OnnxRuntimePlain, ("onnxruntime",), "f32", _ALL),
    Peer("llama-f32", "f32", LlamaCpp, _LLAMA, "f32", _LAST),
    Peer("llama-f16", "f16", LlamaCpp, _LLAMA, "f16", _LAST),
    Peer("llama-q4_0", "q4_0", LlamaCpp, _LLAMA, "4 bits", _LAST),
    Peer("llama-iq4_nl", "iq4_nl", LlamaCpp, _LLAMA, "4 bits", _LAST),
    Peer("llama-q4_1", "q4_1", LlamaCpp, _LLAMA, "4 bits", _LAST),
    Peer("llama-q4_k_m", "q4_k_m", LlamaCpp, _LLAMA, "4 bits, some 5 to 8", _LAST),
    Peer("llama-q8_0", "q8_0", LlamaCpp, _LLAMA, "8 bits", _LAST),
    Peer("openvino-f16", "f16", OpenVinoGenAI, _OPENVINO, "f16, arithmetic f32", _LAST),
    Peer("openvino-q4_0", "q4_0", OpenVinoGenAI, _OPENVINO + _LLAMA, "4 bits", _LAST),
)}
