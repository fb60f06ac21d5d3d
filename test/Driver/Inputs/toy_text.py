# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes a tokenizer of 32 words and a chat template into the folder of a toy
bundle: toy_text.py DIR. Id 2 is "</s>", ids 3 to 5 are roles, 6 to 31 are w6 to
w31."""
import json
import os
import sys

folder = sys.argv[1]
words = ["<unk>", "<s>", "</s>", "user", "assistant", "system"] + ["w%d" % i for i in range(6, 32)]
special = [
    {"id": i, "content": words[i], "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    for i in range(3)
]
tokenizer = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": special,
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(words)}, "unk_token": "<unk>"},
}
config = {
    "eos_token": "</s>",
    "chat_template": "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}{% if add_generation_prompt %}assistant{% endif %}",
}
for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
    with open(os.path.join(folder, name), "w") as file:
        json.dump(value, file)
