//===- Apart.h - Work in a process of its own ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_APART_H
#define LLMC_LIB_PLUGIN_APART_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llmc {

/// How a process of its own ended.
struct Outcome {
  /// Whether it came to its end, and whether it said that all is well; or that it
  /// took too long.
  bool whole = false, good = false, late = false;
  /// What it said, or how it ended.
  std::string text;
  /// What a sanitizer reports, in a few lines (see runWatched).
  std::string report;
};

/// Runs `body` in a process of its own, which may take `seconds`.
Outcome runApart(int64_t seconds,
                 llvm::function_ref<llvm::Expected<std::string>()> body);

/// Says how a process ended before it came to its end; `status` is that of
/// waitpid.
std::string describeEnd(int status);

/// In a new process that runs code of a plugin: signals mean what they mean to a
/// new program, and a crash leaves no file.
void beginApart();

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_APART_H
