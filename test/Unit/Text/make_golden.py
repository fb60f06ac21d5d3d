#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes Inputs/: small tokenizers and what Python's libraries do with them.

byte_level.json is the tokenizer of the tiny test models and is only read. The
other tokenizers are made here, one for each further kind of decoder. golden.json
holds ids, texts and rendered templates.

Needs tokenizers 0.23.3 and jinja2 3.1.6. Run it in this folder.
"""
import json
import random
from pathlib import Path

import jinja2
import tokenizers
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from golden_templates import CONTEXTS, TEMPLATES

assert tokenizers.__version__ == "0.23.3" and jinja2.__version__ == "3.1.6"

INPUTS = Path(__file__).parent / "Inputs"

CORPUS = [
    "The house stands at the end of the lane, and the lane ends at the river.",
    "A small model reads the words one after the other and guesses the next word.",
    "Weights are numbers; numbers can be stored in fewer bits than they were given.",
    "She said: \"It's not far, we'll walk.\" They walked for hours and hours.",
    "Où est la bibliothèque? Über den Wolken. Ещё один день. 東京は夜の七時。",
] * 4

TEXTS = [
    "",
    " ",
    "hi",
    "  two  spaces\tand a tab\nand a line\r\n\r\n",
    "The house stands at the river.",
    "It's we'll they're I'd I'm DON'T",
    "12 123 1234567890 3.14159 1,000,000 ²³¼",
    "naïve café Ångström Straße — “quoted” …",
    "東京は夜の七時。你好,世界! 안녕하세요",
    "Ещё один день; שלום עולם; مرحبا بالعالم; नमस्ते दुनिया",
    "👍 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 e\u0301 a\u030a",
    "zero\u0000one\u0001two\u007fthree\u0085four\u00a0five\u2028six\ufeffseven\ufffdeight",
    "<|bos|>system\n<|eos|><s></s>[CLS][SEP]<unk> <|bos|> x<|eos|>y",
    "for (int i = 0; i < n; ++i) { a[i] += b[i]; } // done",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


def random_texts(count):
    """Lines of characters from all over Unicode, surrogates excluded."""
    rng = random.Random(8)
    ranges = [(0x20, 0x7e), (0, 0x1f), (0x80, 0x24f), (0x300, 0x36f), (0x400, 0x5ff), (0x900, 0xdff), (0x2000, 0x206f),
              (0x3040, 0x30ff), (0x4e00, 0x9fff), (0xe000, 0xe010), (0xfe00, 0xfe0f), (0xff00, 0xffff), (0x1f300, 0x1faff)]
    for _ in range(count):
        yield "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 30)))


def byte_fallback():
    """As Llama's: spaces become U+2581, unknown characters become byte tokens."""
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>", "<s>", "</s>"] + bytes_, limit_alphabet=60,
                                  show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    # Byte tokens are ordinary ones, which the trainer cannot express.
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    return tokenizer


def word_piece():
    """As BERT's, with the truncation and padding that some files carry."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=250, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
                                        show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=0, pad_token="[PAD]")
    return tokenizer


def unigram():
    """As T5's: pieces with scores, words begin with U+2581."""
    words = sorted({word for line in CORPUS for word in line.split()})
    letters = sorted({c for line in CORPUS for c in line if not c.isspace()})
    pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0)]
    pieces += [(c, -6.0 - 0.01 * i) for i, c in enumerate(letters)]
    pieces += [("▁" + w, -4.0 - 0.01 * i) for i, w in enumerate(words)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def tokenizer_cases(file):
    tokenizer = Tokenizer.from_file(str(INPUTS / file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    cases = []
    for text in TEXTS + list(random_texts(60)):
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text, add_special_tokens=True).ids
        cases.append({"text": text, "plain": plain, "special": special,
                      "decoded": tokenizer.decode(special, skip_special_tokens=True),
                      "decoded_with_special": tokenizer.decode(special, skip_special_tokens=False)})
    return {"file": file, "vocabulary_size": max(vocabulary.values()) + 1,
            "tokens": [[token, vocabulary[token]] for token in sorted(vocabulary)[::17]], "cases": cases}


class Generation(Extension):
    """{% generation %} prints its contents, in a scope of its own."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

    def _print(self, caller):
        return caller()


def environment():
    def raise_exception(text):
        raise jinja2.exceptions.TemplateError(text)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


def template_cases():
    env = environment()
    cases = []
    for name, source in TEMPLATES.items():
        template = env.from_string(source)
        outputs = {}
        for context_name, context in CONTEXTS.items():
            full = {"tools": None, "documents": None, "add_generation_prompt": False, **context}
            try:
                outputs[context_name] = template.render(**full)
            except jinja2.exceptions.TemplateError as error:
                outputs[context_name] = {"error": str(error)}
        cases.append({"name": name, "source": source, "outputs": outputs})
    # As texts: the order of keys and the digits of numbers reach the prompt.
    contexts = {name: json.dumps(context, ensure_ascii=False) for name, context in CONTEXTS.items()}
    return {"contexts": contexts, "cases": cases}


def main():
    made = {"byte_fallback.json": byte_fallback, "word_piece.json": word_piece, "unigram.json": unigram}
    for file, make in made.items():
        make().save(str(INPUTS / file), pretty=False)
    golden = {"tokenizers": [tokenizer_cases(f) for f in ["byte_level.json", *made]], "templates": template_cases()}
    (INPUTS / "golden.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
