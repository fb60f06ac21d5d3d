# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Logits of peers of `benchmarks/compare` at all positions, for llama_quality.

ONNX Runtime runs the graph that GenAI is timed with (genai_model.py), its last Gather
left out. OpenVINO GenAI gives logits to nobody, but saves the model that it made of a
GGUF file, and the runtime below it runs that.
"""
from __future__ import annotations

from pathlib import Path

import numpy


class OnnxRuntime:
    """`ort-int4` or `ort-f32`, of an ONNX folder."""

    def __init__(self, folder: Path, kind: str, threads: int, work: Path):
        import onnxruntime
        from comparison import genai_model
        made = work / f"{folder.name}.{kind}"
        genai_model.write(folder, made, threads, kind == "ort-int4", all_positions=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(made / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.pasts = {i.name: numpy.zeros((1, i.shape[1], 0, i.shape[3]), numpy.float32)
                      for i in self.session.get_inputs() if i.name.startswith("past_key_values.")}
        self.bytes = sum(f.stat().st_size for f in made.glob("model.int4.data")) or (made / genai_model.DATA).stat().st_size

    def logits(self, ids: list[int]) -> numpy.ndarray:
        ids = numpy.array([ids], numpy.int64)
        return self.session.run(["logits"], {"input_ids": ids, "attention_mask": numpy.ones_like(ids), **self.pasts})[0][0]


class OpenVino:
    """`openvino-TYPE`, of the GGUF of that type."""

    def __init__(self, gguf: Path, threads: int):
        import openvino
        import openvino_genai
        saved = gguf.parent / "openvino_model.xml"
        saved.unlink(missing_ok=True)
        openvino_genai.LLMPipeline(str(gguf), "CPU", enable_save_ov_model=True)
        if not saved.exists():
            raise RuntimeError(f"expected OpenVINO GenAI to save {saved.name}")
        compiled = openvino.Core().compile_model(str(saved), "CPU", {"INFERENCE_NUM_THREADS": threads})
        self.request, self.numpy_names = compiled.create_infer_request(), {n for i in compiled.inputs for n in i.names}
        self.bytes = gguf.stat().st_size

    def logits(self, ids: list[int]) -> numpy.ndarray:
        self.request.reset_state()
        ids = numpy.array([ids], numpy.int64)
        values = {"input_ids": ids, "attention_mask": numpy.ones_like(ids), "position_ids": numpy.arange(ids.size, dtype=numpy.int64)[None],
                  "beam_idx": numpy.zeros(1, numpy.int32)}
        result = self.request.infer({name: value for name, value in values.items() if name in self.numpy_names})
        return numpy.array(next(iter(result.values())))[0]
