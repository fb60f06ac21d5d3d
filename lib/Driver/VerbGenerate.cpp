//===- VerbGenerate.cpp - llmc generate -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Generation.h"
#include "Verbs.h"
#include <fmt/format.h>

using namespace llmc;

int llmc::runGenerate(const Arguments &arguments, Terminal &terminal) {
  GenerationOptions options;
  if (Fault fault = readGenerationOptions(arguments, options))
    return terminal.fail(fault);
  std::vector<int64_t> ids;
  if (!arguments.has("ids"))
    return terminal.fail(Fault::usage("'generate' needs --ids"));
  if (Fault fault = parseIds(arguments.text("ids"), ids))
    return terminal.fail(fault);

  ModelHandle model;
  if (Fault fault = openModel(arguments, model))
    return terminal.fail(fault);
  std::unique_ptr<Generator> generator;
  if (Fault fault =
          Generator::create(model.get(), options.context, 0, generator))
    return terminal.fail(fault);
  terminal.note(effectiveText(*generator, model.get(), options));

  Timing timing;
  double start = secondsNow();
  bool complete;
  if (Fault fault = generator->setText(
          ids, [] { return true; }, complete))
    return terminal.fail(fault);
  timing.promptTokens = ids.size();
  timing.promptSeconds = secondsNow() - start;

  Sampler sampler(options.sampling);
  StopReason reason;
  bool first = true;
  start = secondsNow();
  auto emit = [&](int64_t id) {
    terminal.out(fmt::format("{}{}", first ? "" : ",", id));
    first = false;
    ++timing.newTokens;
    return terminal.flush();
  };
  Fault fault = generator->generate(options.maxTokens, sampler, emit, reason);
  timing.newSeconds = secondsNow() - start;
  terminal.out("\n");
  if (fault)
    return terminal.fail(fault);
  terminal.flush();
  terminal.note(summaryText(timing, reason, *generator));
  return 0;
}
