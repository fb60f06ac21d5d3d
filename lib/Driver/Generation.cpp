//===- Generation.cpp - What generate and chat share ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Generation.h"
#include <fmt/format.h>

using namespace llmc;

Fault llmc::readGenerationOptions(const Arguments &arguments,
                                  GenerationOptions &options) {
  SamplingOptions &sampling = options.sampling;
  int64_t seed = 0;
  for (Fault fault :
       {arguments.number("temperature", sampling.temperature),
        arguments.number("min-p", sampling.minP),
        arguments.number("top-k", 0, INT32_MAX, sampling.topK),
        arguments.number("top-p", sampling.topP),
        arguments.number("seed", 0, INT64_MAX, seed),
        arguments.number("max-tokens", 0, INT64_MAX, options.maxTokens),
        arguments.number("context", 1, 1 << 30, options.context)})
    if (fault)
      return fault;
  sampling.seed = seed;
  options.timing = arguments.has("timing");
  return checkSampling(sampling);
}

std::string llmc::effectiveText(const Generator &generator,
                                const llmc_model *model,
                                const GenerationOptions &options) {
  const SamplingOptions &sampling = options.sampling;
  std::string text =
      fmt::format("context {}, {} threads, ", generator.context(),
                  llmc_model_threads(model));
  if (sampling.temperature == 0)
    return text + "most probable tokens";
  text += fmt::format("temperature {}", sampling.temperature);
  if (sampling.minP > 0)
    text += fmt::format(", min-p {}", sampling.minP);
  if (sampling.topK)
    text += fmt::format(", top-k {}", sampling.topK);
  if (sampling.topP < 1)
    text += fmt::format(", top-p {}", sampling.topP);
  return text + fmt::format(", seed {}", sampling.seed);
}

std::string llmc::summaryText(const Timing &timing, StopReason reason,
                              const Generator &generator) {
  const char *why = "";
  std::string full;
  switch (reason) {
  case StopReason::EndToken:
    why = "end of text";
    break;
  case StopReason::MaxTokens:
    why = "as many as asked for";
    break;
  case StopReason::ContextFull:
    full = fmt::format("stopped: the context of {} tokens is full",
                       generator.context());
    why = full.c_str();
    break;
  case StopReason::Interrupted:
    why = "interrupted";
    break;
  }
  auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? tokens / seconds : 0;
  };
  return fmt::format(
      "prompt {} tokens, {:.1f} tok/s; {} tokens, {:.1f} tok/s; {}",
      timing.promptTokens, rate(timing.promptTokens, timing.promptSeconds),
      timing.newTokens,
      // The first token comes with the prompt.
      rate(timing.newTokens - 1, timing.newSeconds), why);
}
