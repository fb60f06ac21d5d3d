//===- VerbBench.cpp - llmc bench -----------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokens per second say little without the limit of the machine, and machines
// are shared. So every repetition measures prefill, decode and the speed at
// which the same threads can read memory, and the products of a decode step back
// to back (llmc/Runtime/Replay.h), one after the other, and medians are compared.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Runtime/Bundle.h"
#include "llmc/Runtime/Generate.h"
#include "llmc/Runtime/Machine.h"
#include "llmc/Runtime/Replay.h"
#include "llmc/Runtime/Stream.h"
#include <algorithm>
#include <fmt/format.h>

using namespace llmc;

static double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle]
                           : (values[middle - 1] + values[middle]) / 2;
}

namespace {
struct Plan {
  int64_t prompt = 0, decode = 0, repetitions = 5;
};
struct Result {
  double loadSeconds = 0;
  /// Medians: tokens per second and bytes per second; `replay` is 0 where the
  /// bundle has none, and `replayShare` the part of it that decode reaches,
  /// taken within a round.
  double prefill = 0, decode = 0, stream = 0, replay = 0, replayShare = 0;
  /// Bytes one decode step reads: weights, and the part of the states in use.
  double weightBytes = 0, stateBytes = 0;
  double bytesPerSecond() const { return (weightBytes + stateBytes) * decode; }
};
} // namespace

static Fault readPlan(const Arguments &arguments, int64_t context, Plan &plan) {
  if (Fault fault = arguments.number("repetitions", 1, 1000, plan.repetitions))
    return fault;
  plan.decode = std::min<int64_t>(64, std::max<int64_t>(1, context / 4));
  if (Fault fault = arguments.number("decode-tokens", 1, 1 << 30, plan.decode))
    return fault;
  plan.prompt =
      std::max<int64_t>(1, std::min<int64_t>(512, context - plan.decode));
  if (Fault fault = arguments.number("prompt-tokens", 1, 1 << 30, plan.prompt))
    return fault;
  if (plan.prompt + plan.decode > context)
    return Fault::usage(
        fmt::format("{} prompt tokens and {} decode tokens do not fit the "
                    "context of {}",
                    plan.prompt, plan.decode, context));
  return {};
}

static Fault measure(Generator &generator, const Plan &plan, unsigned threads,
                     Result &result) {
  std::vector<int64_t> ids(plan.prompt + plan.decode);
  for (size_t i = 0; i != ids.size(); ++i)
    ids[i] = (i * 7919 + 13) % generator.model().vocabulary;
  llvm::ArrayRef<int64_t> prompt(ids.data(), plan.prompt);
  MemoryStream stream;
  if (Fault fault = stream.prepare(threads))
    return fault;
  std::vector<double> prefills, decodes, streams, replays, shares;
  // The first round warms caches and pages and does not count.
  for (int64_t round = 0; round <= plan.repetitions; ++round) {
    llmc_session_reset(generator.handle());
    double start = secondsNow();
    bool complete;
    if (Fault fault = generator.setText(
            prompt, [] { return true; }, complete))
      return fault;
    double middle = secondsNow();
    for (int64_t i = 0; i != plan.decode; ++i)
      if (Fault fault = generator.step(ids[plan.prompt + i]))
        return fault;
    double end = secondsNow();
    double replay = replaySteps(generator.handle(), plan.prompt, plan.decode);
    double bytesPerSecond = stream.measure();
    if (round == 0)
      continue;
    prefills.push_back(plan.prompt / (middle - start));
    decodes.push_back(plan.decode / (end - middle));
    streams.push_back(bytesPerSecond);
    if (replay > 0) {
      replays.push_back(plan.decode / replay);
      shares.push_back(replay / (end - middle));
    }
  }
  result.prefill = median(prefills);
  result.decode = median(decodes);
  result.stream = median(streams);
  if (!replays.empty()) {
    result.replay = median(replays);
    result.replayShare = median(shares);
  }
  return {};
}

static std::string replayText(const Result &result) {
  if (!result.replay)
    return "replay bound       none: the code of this bundle has no products "
           "of "
           "one token apart, or was made before they were kept; compile it "
           "again\n";
  return fmt::format("replay bound     {:8.1f} tok/s   decode reaches {:.0f} % "
                     "of it\n",
                     result.replay, 100 * result.replayShare);
}

static std::string plainText(const Result &result, const Plan &plan,
                             unsigned threads, int64_t context) {
  return fmt::format(
      "{}\n{} threads, context {}, medians of {}\n"
      "load             {:8.1f} ms\n"
      "prefill {:>6}   {:8.1f} tok/s\n"
      "decode  {:>6}   {:8.1f} tok/s   {:.1f} GB/s of {:.1f} GB/s that memory "
      "gives: {:.0f} %\n"
      "{}"
      "each token reads {} of weights and {} of state\n",
      processorName(), threads, context, plan.repetitions,
      1e3 * result.loadSeconds, plan.prompt, result.prefill, plan.decode,
      result.decode, 1e-9 * result.bytesPerSecond(), 1e-9 * result.stream,
      100 * result.bytesPerSecond() / result.stream, replayText(result),
      bytesText(result.weightBytes), bytesText(result.stateBytes));
}

static std::string orNull(double value) {
  return value ? fmt::format("{:.6g}", value) : "null";
}

static std::string jsonObject(const Result &result, const Plan &plan,
                              unsigned threads, int64_t context,
                              const std::string &recipe) {
  return fmt::format(
      "{{\"cpu\": {}, \"threads\": {}, \"context\": {}, \"recipe\": {}, "
      "\"repetitions\": {}, \"load_ms\": {:.3f}, \"prompt_tokens\": {}, "
      "\"prefill_tokens_per_second\": {:.3f}, \"decode_tokens\": {}, "
      "\"decode_tokens_per_second\": {:.3f}, \"weight_bytes_per_token\": "
      "{:.0f}, \"state_bytes_per_token\": {:.0f}, "
      "\"decode_gigabytes_per_second\": {:.3f}, "
      "\"stream_gigabytes_per_second\": {:.3f}, "
      "\"replay_tokens_per_second\": {}, \"decode_share_of_replay\": {}}}\n",
      jsonText(processorName()), threads, context, jsonText(recipe),
      plan.repetitions, 1e3 * result.loadSeconds, plan.prompt, result.prefill,
      plan.decode, result.decode, result.weightBytes, result.stateBytes,
      1e-9 * result.bytesPerSecond(), 1e-9 * result.stream,
      orNull(result.replay), orNull(result.replayShare));
}

int llmc::runBench(const Arguments &arguments, Terminal &terminal) {
  int64_t context = 0;
  if (Fault fault = arguments.number("context", 1, 1 << 30, context))
    return terminal.fail(fault);
  // Numbers that no model could serve are refused before the model is opened.
  Plan plan;
  if (Fault fault = readPlan(arguments, context ? context : 1 << 30, plan))
    return terminal.fail(fault);
  double start = secondsNow();
  ModelHandle model;
  if (Fault fault = openModel(arguments, model))
    return terminal.fail(fault);
  std::unique_ptr<Generator> generator;
  if (Fault fault = Generator::create(model.get(), context, 0, generator))
    return terminal.fail(fault);
  Result result;
  result.loadSeconds = secondsNow() - start;
  context = generator->context();
  if (Fault fault = readPlan(arguments, context, plan))
    return terminal.fail(fault);
  Manifest manifest;
  if (Fault fault = readManifest(arguments.positional[0], manifest))
    return terminal.fail(fault);

  unsigned threads = llmc_model_threads(model.get());
  if (Fault fault = measure(*generator, plan, threads, result))
    return terminal.fail(fault);
  result.weightBytes = manifest.languageModel.bytesPerToken
                           ? manifest.languageModel.bytesPerToken
                           : llmc_model_weight_bytes(model.get());
  result.stateBytes = llmc_session_state_bytes(generator->handle()) *
                      (plan.prompt + 0.5 * plan.decode) / context;
  terminal.out(arguments.has("json")
                   ? jsonObject(result, plan, threads, context, manifest.recipe)
                   : plainText(result, plan, threads, context));
  return 0;
}
