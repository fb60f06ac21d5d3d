# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""tokenizer.json and tokenizer_config.json from the metadata of a GGUF file.

Only byte-level BPE is rebuilt (`tokenizer.ggml.model` = gpt2), and only with
pre-tokenizers whose result has been compared with another implementation. What
the metadata does not say is refused rather than guessed.
"""
from __future__ import annotations

from model_folder import ConversionError

CONTROL, USER_DEFINED = 3, 4  # values of tokenizer.ggml.token_type

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PRE_TOKENIZERS = {
    "gpt-2": BYTE_LEVEL,
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]},
}


class TokenizerError(ConversionError):
    pass


def _tokens(fields, key: str, kind: type) -> list:
    values = fields(f"tokenizer.ggml.{key}")
    if not isinstance(values, list) or not all(isinstance(v, kind) for v in values):
        raise TokenizerError(f"expected 'tokenizer.ggml.{key}' to be an array of {kind.__name__}")
    return values


def tokenizer_json(fields) -> dict:
    """`fields(key)` gives a metadata value or None."""
    model, kind = fields("tokenizer.ggml.model"), fields("tokenizer.ggml.pre") or "gpt-2"
    if model != "gpt2" or kind not in PRE_TOKENIZERS:
        known = ", ".join(f"gpt2/{name}" for name in PRE_TOKENIZERS)
        raise TokenizerError(f"expected a tokenizer of kind {known} but got {model}/{kind}")
    tokens, types = _tokens(fields, "tokens", str), _tokens(fields, "token_type", int)
    merges = [merge.split(" ") for merge in _tokens(fields, "merges", str)]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens) or len(types) != len(tokens):
        raise TokenizerError(f"expected {len(tokens)} different tokens with a type each but got "
                             f"{len(vocabulary)} different tokens and {len(types)} types")
    for merge in merges:
        if len(merge) != 2 or any(part not in vocabulary for part in (*merge, "".join(merge))):
            raise TokenizerError(f"expected a merge of two tokens into a token but got '{' '.join(merge)}'")
    added = [{"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": type_ == CONTROL}
             for index, (token, type_) in enumerate(zip(tokens, types)) if type_ in (CONTROL, USER_DEFINED)]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZERS[kind], "post_processor": None, "decoder": BYTE_LEVEL,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocabulary, "merges": merges},
    }


def special_ids(fields) -> dict[str, int]:
    """bos, eos, unk and pad, where the file names them."""
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    found = {short: fields(f"tokenizer.ggml.{long}_token_id") for long, short in names.items()}
    count = len(_tokens(fields, "tokens", str))
    for short, index in found.items():
        if index is not None and not 0 <= index < count:
            raise TokenizerError(f"expected the id of the {short} token below {count} but got {index}")
    return {short: index for short, index in found.items() if index is not None}


def tokenizer_config(fields, longest: int) -> dict:
    tokens = _tokens(fields, "tokens", str)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest,
              "clean_up_tokenization_spaces": False,
              "add_bos_token": bool(fields("tokenizer.ggml.add_bos_token"))}
    if config["add_bos_token"]:
        raise TokenizerError("expected a tokenizer that adds no bos token, since no post-processor is rebuilt")
    config.update({f"{short}_token": tokens[index] for short, index in special_ids(fields).items()})
    template = fields("tokenizer.chat_template")
    if template is not None:
        config["chat_template"] = template
    return config
