//===- ModelFolder.h - What lies beside an ONNX model -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DRIVER_MODELFOLDER_H
#define LLMC_DRIVER_MODELFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llmc {

/// The configuration and text files that exporters write beside a model. All of
/// them are optional; one that is there and cannot be read is an error.
struct ModelFolder {
  /// Longest context in tokens that the model was made for; 0 where no file
  /// says (config.json: max_position_embeddings, genai_config.json:
  /// model.context_length).
  int64_t context = 0;
  std::optional<int64_t> bos;
  std::vector<int64_t> eos;
  /// Files that the bundle takes along: tokenizer and chat template.
  std::vector<std::string> files;

  static llvm::Expected<ModelFolder> read(llvm::StringRef folder);
};

} // namespace llmc

#endif // LLMC_DRIVER_MODELFOLDER_H
