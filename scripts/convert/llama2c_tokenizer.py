# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""tokenizer.json and tokenizer_config.json from llama2.c's tokenizer.bin.

The file is the length of the longest token (i32) and, for each token, its score
(f32), its length (i32) and its bytes. It is SentencePiece's BPE: of all pairs
whose join is a token, the one of the best score is joined first. Hugging Face
has a list of merges instead, which is all ways to make each token of two others,
the tokens in order of their scores.
"""
from __future__ import annotations

import struct
from pathlib import Path

from model_folder import expect

UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL = ["<unk>", "<s>", "</s>"]
FIRST_BYTE = 3  # tokens 3 to 258 are the bytes 0 to 255
SPACE = "\u2581"  # how SentencePiece writes a blank
LONGEST = 1024  # bytes of a token


class Tokenizer:
    """The names of all tokens, and their scores."""

    def __init__(self, path: Path, vocabulary: int):
        content = path.read_bytes()
        at, pieces, self.scores = 4, [], []
        for index in range(vocabulary):
            expect(at + 8 <= len(content), f"{path}: expected {vocabulary} tokens but got {index}")
            score, length = struct.unpack_from("<fi", content, at)
            at += 8
            expect(0 <= length <= LONGEST and at + length <= len(content),
                   f"{path}: expected at most {min(LONGEST, len(content) - at)} bytes of token {index} but got {length}")
            expect(score == score, f"{path}: expected a score of token {index} but got {score}")
            pieces.append(content[at:at + length])
            self.scores.append(score)
            at += length
        expect(at == len(content), f"{path}: expected {vocabulary} tokens but got {len(content) - at} bytes more")
        self.names = [self._name(path, index, piece) for index, piece in enumerate(pieces)]
        self.ids = {name: index for index, name in enumerate(self.names)}
        expect(len(self.ids) == vocabulary, f"{path}: expected {vocabulary} different tokens but got {len(self.ids)}")

    @staticmethod
    def _name(path: Path, index: int, piece: bytes) -> str:
        if index < FIRST_BYTE:
            return SPECIAL[index]
        byte = index - FIRST_BYTE
        if byte < 256:  # the byte itself, its code point or its name: exporters differ
            forms = (bytes([byte]), chr(byte).encode(), b"<0x%02X>" % byte)
            expect(piece in forms, f"{path}: expected token {index} to be byte {byte} but got {piece!r}")
            return f"<0x{byte:02X}>"
        try:
            return piece.decode("utf-8").replace(" ", SPACE)
        except UnicodeDecodeError:
            expect(False, f"{path}: expected UTF-8 in token {index} but got {piece!r}")

    def _merges(self) -> list[list[str]]:
        found = []
        for index in range(FIRST_BYTE + 256, len(self.names)):
            name = self.names[index]
            splits = [(self.ids[name[:i]], self.ids[name[i:]]) for i in range(1, len(name))
                      if name[:i] in self.ids and name[i:] in self.ids]
            found += [(-self.scores[index], index, left, right) for left, right in splits]
        return [[self.names[left], self.names[right]] for _, _, left, right in sorted(found)]

    def json(self) -> dict:
        added = [{"id": index, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                  "special": True} for index, name in enumerate(SPECIAL)]
        begin, text = {"SpecialToken": {"id": SPECIAL[BEGIN], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
        return {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "Sequence", "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]},
            "pre_tokenizer": None,
            "post_processor": {"type": "TemplateProcessing", "single": [begin, text],
                               "pair": [begin, text, begin, {"Sequence": {"id": "B", "type_id": 0}}],
                               "special_tokens": {SPECIAL[BEGIN]: {"id": SPECIAL[BEGIN], "ids": [BEGIN], "tokens": [SPECIAL[BEGIN]]}}},
            "decoder": {"type": "Sequence", "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
            "model": {"type": "BPE", "dropout": None, "unk_token": SPECIAL[UNKNOWN], "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                      "vocab": self.ids, "merges": self._merges()},
        }

    @staticmethod
    def config(longest: int) -> dict:
        return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, "clean_up_tokenization_spaces": False,
                "add_bos_token": True, "bos_token": SPECIAL[BEGIN], "eos_token": SPECIAL[END], "unk_token": SPECIAL[UNKNOWN]}
