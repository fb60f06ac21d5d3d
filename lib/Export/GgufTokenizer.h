//===- GgufTokenizer.h - A tokenizer as metadata of GGUF --------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_GGUFTOKENIZER_H
#define LLMC_LIB_EXPORT_GGUFTOKENIZER_H

#include "GgufFile.h"
#include "llmc/Text/TextAssets.h"

namespace llmc {

/// Adds the tokenizer of a model folder, with `vocabulary` ids; ids that it
/// lacks are marked as unused. Byte-level BPE alone, with the pre-tokenizers of
/// GPT-2 and SmolLM: others are refused, with what they are.
llvm::Error addTokenizer(GgufHead &head, const TextAssets &text,
                         int64_t vocabulary);

} // namespace llmc

#endif // LLMC_LIB_EXPORT_GGUFTOKENIZER_H
