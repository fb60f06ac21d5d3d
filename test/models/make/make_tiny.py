# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tiny seeded models in the forms that real exporters write, with golden outputs, in OUT/<model>/<form>/.

    make_tiny.py OUT TEXT_FOLDER OPTIMUM_CLI [MODEL ...]
"""
import json
import os
import subprocess
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", CUDA_VISIBLE_DEVICES="")
import numpy as np
import onnx
import onnxruntime as ort
import tokenizers as tk
import torch
import transformers as tf

STEPS, SPECIAL = 32, ["<|bos|>", "<|eos|>"]
CHAT = ("{% for m in messages %}<|bos|>{{ m.role }}\n{{ m.content }}<|eos|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|bos|>assistant\n{% endif %}")
PROMPTS = ["<|bos|>" + text for text in (
    "", "You may", "Everyone is permitted to copy", "user\nMay I change it?<|eos|>\n<|bos|>assistant\n",
    "This program is free software: you can redistribute it and/or modify it under the terms of the License.")]
BASE = dict(vocab_size=384, max_position_embeddings=256, dtype="float32", pad_token_id=1, hidden_size=32, num_attention_heads=4)
TEXT = dict(BASE, bos_token_id=0, eos_token_id=1, num_key_value_heads=2, head_dim=8, rope_theta=1e4, tie_word_embeddings=True)
WIDE = dict(TEXT, hidden_size=48, num_attention_heads=6, intermediate_size=100, rms_norm_eps=1e-5)
MODELS = {
    "llama": (337, "dynamo dynamo23 genai_fp32 genai_int4 optimum", tf.LlamaForCausalLM, tf.LlamaConfig(
        **WIDE, num_hidden_layers=3)),
    "llama16": (173, "genai_fp32 genai_int4", tf.LlamaForCausalLM, tf.LlamaConfig(**dict(WIDE, head_dim=16), num_hidden_layers=2)),
    "qwen3": (59, "dynamo optimum", tf.Qwen3ForCausalLM, tf.Qwen3Config(
        **dict(TEXT, head_dim=16, tie_word_embeddings=False), intermediate_size=76, num_hidden_layers=2, rms_norm_eps=1e-6)),
    "gemma3": (48, "dynamo optimum", tf.Gemma3ForCausalLM, tf.Gemma3TextConfig(
        **dict(TEXT, rope_theta=1e6), rope_local_base_freq=1e4, intermediate_size=52, num_hidden_layers=3, rms_norm_eps=1e-6,
        query_pre_attn_scalar=12, sliding_window=8, layer_types=["sliding_attention"] * 2 + ["full_attention"])),
    "bert": (1, "dynamo optimum", tf.BertModel, tf.BertConfig(**BASE, intermediate_size=76, num_hidden_layers=2)),
}


def train_tokenizer(folder):
    level, tok = tk.pre_tokenizers.ByteLevel, tk.Tokenizer(tk.models.BPE())
    tok.pre_tokenizer, tok.decoder = level(add_prefix_space=False), tk.decoders.ByteLevel()
    files = sorted(str(p) for p in Path(folder).iterdir() if p.is_file() and not p.is_symlink())
    tok.train(files, tk.trainers.BpeTrainer(vocab_size=384, special_tokens=SPECIAL, initial_alphabet=sorted(level.alphabet())))
    return tok


def save_hf(name, tok, folder):
    """Weights from sums of twelve uniform integers: near-normal, and the same on every platform."""
    seed, _, kind, config = MODELS[name]
    rng, model = np.random.RandomState(seed), kind(config)
    for key, value in model.named_parameters():
        scale = 0.1 if value.dim() == 1 else 0.05 if name == "gemma3" and "embed" in key else 0.2
        shift = float(value.dim() == 1 and key.endswith("weight") and name != "gemma3")
        if "q_norm" in key or "k_norm" in key:
            scale, shift = 0.3, shift + 0.5
        new = (rng.randint(0, 65536, (12, *value.shape)).sum(0) / 65536 - 6) * scale + shift
        value.copy_(torch.from_numpy(new.astype(np.float32)))
    model.save_pretrained(folder)
    tok.save(str(folder / "tokenizer.json"))
    settings = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token=SPECIAL[0], eos_token=SPECIAL[1], pad_token=SPECIAL[1],
                    model_max_length=256, clean_up_tokenization_spaces=False, chat_template=CHAT)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def export(name, form, hf, folder, cli):
    task = "feature-extraction" if name == "bert" else "text-generation-with-past"
    command = [cli, "export", "onnx", "-m", hf, "--task", task, folder]
    if form.startswith("genai"):
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-m", hf, "-o", folder, "-p", form[6:],
                   "-e", "cpu", "-c", folder / "cache"]
    if not form.startswith("dynamo"):
        return subprocess.run(list(map(str, command)), check=True, capture_output=True)
    model, ids = MODELS[name][2].from_pretrained(hf, use_cache=False).eval(), torch.arange(1, 17).reshape(2, 8)
    more = dict(attention_mask=torch.ones_like(ids), token_type_ids=torch.zeros_like(ids)) if name == "bert" else {}
    axes = {0: torch.export.Dim("batch_size", min=1, max=64), 1: torch.export.Dim("sequence_length", min=2, max=256)}
    program = torch.onnx.export(model, (ids,), kwargs=more, dynamic_shapes=dict.fromkeys(["input_ids", *more], axes),
                                dynamo=True, opset_version=int(form[6:] or 20), verbose=False)
    for node in program.model.graph:  # the other notes hold local paths and outweigh the weights
        for key in node.metadata_props.keys() - {"namespace"}:
            del node.metadata_props[key]
    folder.mkdir(exist_ok=True)
    program.save(str(folder / "model.onnx"))


def torch_steps(model):
    seen = []
    return lambda new: seen.extend(new) or model(input_ids=torch.tensor([seen]), use_cache=False).logits[0, -1].numpy()


def onnx_steps(source, config):
    """Takes the new tokens only; feeds the cache where the export has one, the whole sequence where it has none."""
    session, seen = ort.InferenceSession(source), []
    names, outputs = [i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()]
    cache = {n: np.zeros((1, config.num_key_value_heads, 0, config.head_dim), np.float32) for n in names if n.startswith("past")}

    def step(new):
        seen.extend(new)
        feed = dict(cache, input_ids=np.array([new if cache else seen]), attention_mask=np.ones((1, len(seen)), np.int64),
                    position_ids=np.arange(len(seen) - len(new), len(seen))[None])
        out = dict(zip(outputs, session.run(None, {n: feed[n] for n in names})))
        cache.update({n: out[n.replace("past_key_values", "present")] for n in cache})
        return out[outputs[0]][0, -1]
    return step


def digits(array, count=9):
    return [float(f"{v:.{count}g}") for v in np.ravel(array).tolist()]


def relative(got, want):
    return digits(np.abs(np.float64(got) - np.float64(want)).max() / np.abs(np.float64(want)).max(), 3)[0]


def decode(runner, reference, prompts, steps=STEPS):
    """Greedy tokens of the runner with their margins, and how far the reference is on the same tokens."""
    cases, errors, same = [], [], []
    for text, ids in prompts:
        step, check, feed, rows, others = runner(), reference(), ids, [], []
        for _ in range(steps):
            rows.append(np.float64(step(feed)))
            others.append(check(feed))
            feed = [int(rows[-1].argmax())]
        errors += map(relative, rows, others)
        same += (np.argmax(rows, 1) == np.argmax(others, 1)).tolist()
        margins = digits(np.diff(np.sort(rows)[:, -2:])[:, 0] / np.abs(rows).max(1), 3)
        cases.append(dict(text=text, input_ids=ids, greedy=np.argmax(rows, 1).tolist(), margins=margins, logits=digits(rows[0])))
    found = dict(source="ONNX Runtime", max_relative_difference=max(errors), same_greedy=all(same))
    return dict(dict(source="PyTorch") if runner is reference else found,
                min_margin=min(min(case["margins"]) for case in cases), cases=cases)


def encode(runner, reference, prompts):
    """Every prompt alone, then two in one padded batch; from the ninth token on it is the second segment."""
    cases, errors = [], []
    for batch in [[ids] for _, ids in prompts] + [[prompts[2][1], prompts[3][1]]]:
        width = max(map(len, batch))
        ids = np.array([row + [1] * (width - len(row)) for row in batch])
        mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in batch])
        feed = dict(input_ids=ids, attention_mask=mask, token_type_ids=np.int64(mask.cumsum(1) > 8))
        got = runner(feed)
        errors += map(relative, got, reference(feed))
        cases.append({**{k: v.tolist() for k, v in feed.items()}, "outputs": [dict(shape=v.shape, data=digits(v)) for v in got]})
    found = dict(source="ONNX Runtime", max_relative_difference=max(errors))
    return dict(dict(source="PyTorch") if runner is reference else found, cases=cases)


def dequantized(model, proto):
    """The PyTorch model with the 4-bit matrices of the export."""
    data = {i.name: onnx.numpy_helper.to_array(i) for i in proto.graph.initializer}
    model = type(model).from_pretrained(model.name_or_path).eval()
    weights, kv = dict(model.named_parameters()), model.config.num_key_value_heads * model.config.head_dim
    for node in (n for n in proto.graph.node if n.op_type == "MatMulNBits"):
        packed, scales = (data[n] for n in node.input[1:3])
        whole = (np.stack([packed & 15, packed >> 4], -1).reshape(*scales.shape, -1) - 8.0) * scales[..., None]
        key = node.name[1:].replace("/MatMul_Q4", ".weight").replace("/", ".").replace("attn", "self_attn")
        for letter, part in zip("qkv", np.split(whole, [-2 * kv, -kv]) if "qkv" in key else [whole]):
            target = weights[key.replace("qkv", letter).replace("lm_head", "model.embed_tokens")]
            target.copy_(torch.from_numpy(part.reshape(len(part), -1)[:, :target.shape[1]]))
    return model


def golden(form, path, model, prompts):
    if model.config.model_type == "bert":
        reference = lambda feed: [v.numpy() for v in model(**{k: torch.from_numpy(v) for k, v in feed.items()}).to_tuple()]
        return encode(reference if form == "hf" else lambda feed: ort.InferenceSession(path).run(None, feed), reference, prompts)
    reference = lambda: torch_steps(model)
    if form == "hf":
        return decode(reference, reference, prompts, 2 * STEPS)
    proto = onnx.load(path)
    model = dequantized(model, proto)
    if form.startswith("genai") and model.config.head_dim % 16:  # a size that ONNX Runtime refuses in this operator
        return decode(reference, reference, prompts)
    result = decode(lambda: onnx_steps(path, model.config), reference, prompts)
    for attribute in (a for n in proto.graph.node for a in n.attribute if a.name == "accuracy_level"):
        attribute.i = 1  # float activations: the exported level 4 rounds them to 8 bits
    if form == "genai_int4":
        result["accuracy_level_1"] = decode(lambda: onnx_steps(proto.SerializeToString(), model.config), reference, prompts)
    return result


def main(out, text, cli, *names):
    torch.set_grad_enabled(False)
    tok = train_tokenizer(text)
    prompts = [(p, tok.encode(p).ids) for p in PROMPTS]
    for name, hf in ((n, Path(out, n, "hf")) for n in names or MODELS):
        save_hf(name, tok, hf)
        model = MODELS[name][2].from_pretrained(hf).eval()
        for form in ["hf", *MODELS[name][1].split()]:
            folder = hf.with_name(form)
            if form != "hf":
                export(name, form, hf, folder, cli)
            result = golden(form, str(folder / "model.onnx"), model, prompts)
            (folder / "golden.json").write_text(json.dumps(result) + "\n")
            print(name, form, {k: v for k, v in result.items() if not isinstance(v, (list, dict))}, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
