//===- Sampler.cpp - Choose the next token --------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sorting a vocabulary of 50,000 costs milliseconds, about a tenth of a decode
// step of a small model. So only as many candidates are sorted as the filters
// need, and an unfiltered draw sorts nothing.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Sampler.h"
#include <algorithm>
#include <cmath>

using namespace llmc;

Fault llmc::checkSampling(const SamplingOptions &options) {
  auto outside = [](const char *name, const char *range, double value) {
    return Fault::usage(std::string("expected ") + name + " " + range +
                        " but got " + std::to_string(value));
  };
  // Written so that a NaN fails too.
  if (!(options.temperature >= 0 && options.temperature <= 100))
    return outside("a temperature", "of 0 to 100", options.temperature);
  if (options.topK < 0)
    return outside("top-k", "of at least 0", options.topK);
  if (!(options.topP > 0 && options.topP <= 1))
    return outside("top-p", "above 0 and up to 1", options.topP);
  if (!(options.minP >= 0 && options.minP <= 1))
    return outside("min-p", "of 0 to 1", options.minP);
  return {};
}

Fault Sampler::pick(llvm::ArrayRef<float> logits, int64_t &id) {
  int64_t best = -1;
  for (size_t i = 0; i != logits.size(); ++i)
    if (!std::isnan(logits[i]) && (best < 0 || logits[i] > logits[best]))
      best = i;
  if (best < 0 || std::isinf(logits[best]))
    return Fault::input("the model gave logits that are not finite numbers");
  id = best;
  if (options.temperature == 0)
    return {};

  float top = logits[best];
  double scale = 1 / options.temperature;
  auto weightOf = [&](float logit) {
    return std::exp((static_cast<double>(logit) - top) * scale);
  };
  // min-p asks for logits alone, so it spares the exponentials of the rest.
  double floor =
      options.minP > 0 ? top + std::log(options.minP) / scale : -HUGE_VAL;
  candidates.clear();
  for (size_t i = 0; i != logits.size(); ++i)
    if (logits[i] >= floor && !std::isinf(logits[i]))
      candidates.push_back({logits[i], static_cast<int32_t>(i)});

  auto before = [](const Candidate &a, const Candidate &b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (options.topK && static_cast<uint64_t>(options.topK) < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + options.topK - 1,
                     candidates.end(), before);
    candidates.resize(options.topK);
    // The order of nth_element is the library's own; ids are ours.
    std::sort(
        candidates.begin(), candidates.end(),
        [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
  }
  double total = 0;
  weights.resize(candidates.size());
  for (size_t i = 0; i != candidates.size(); ++i)
    total += weights[i] = weightOf(candidates[i].logit);

  size_t kept = candidates.size();
  if (options.topP < 1) {
    // Sort ever longer prefixes until one holds enough.
    double wanted = options.topP * total, sum = 0;
    size_t sorted = 0;
    kept = 0;
    while (kept != candidates.size() && (kept == 0 || sum < wanted)) {
      if (kept == sorted) {
        sorted = std::min(candidates.size(), std::max<size_t>(64, 4 * sorted));
        std::partial_sort(candidates.begin() + kept,
                          candidates.begin() + sorted, candidates.end(),
                          before);
      }
      weights[kept] = weightOf(candidates[kept].logit);
      sum += weights[kept++];
    }
    total = sum;
  }
  double target = random.unit() * total;
  size_t chosen = 0;
  for (double sum = 0; chosen + 1 < kept; ++chosen) {
    sum += weights[chosen];
    if (target < sum)
      break;
  }
  id = candidates[chosen].id;
  return {};
}
