//===- Generation.h - What generate and chat share ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_GENERATION_H
#define LLMC_LIB_DRIVER_GENERATION_H

#include "llmc/Driver/CommandLine.h"
#include "llmc/Runtime/Generate.h"

namespace llmc {

/// The options of a generation, checked.
struct GenerationOptions {
  SamplingOptions sampling;
  int64_t maxTokens = INT64_MAX;
  /// 0: the model's default.
  int64_t context = 0;
  /// Print the speed after each answer.
  bool timing = false;
};

Fault readGenerationOptions(const Arguments &arguments,
                            GenerationOptions &options);

/// What was counted and timed.
struct Timing {
  int64_t promptTokens = 0, newTokens = 0;
  double promptSeconds = 0, newSeconds = 0;
};

/// The settings in force, before the work.
std::string effectiveText(const Generator &generator, const llmc_model *model,
                          const GenerationOptions &options);

/// Speed and why it ended, after the work.
std::string summaryText(const Timing &timing, StopReason reason,
                        const Generator &generator);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_GENERATION_H
