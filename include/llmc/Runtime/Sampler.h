//===- Sampler.h - Choose the next token ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From logits to a token id. The same options, seed and logits give the same
// ids on every machine: the generator of random numbers is our own and all
// sums are made in double, in a fixed order.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_SAMPLER_H
#define LLMC_RUNTIME_SAMPLER_H

#include "llmc/Support/Fault.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace llmc {

/// How the next token is chosen. The filters apply in the order below, each to
/// what the one before it left.
struct SamplingOptions {
  /// Logits are divided by it; 0 takes the first largest logit. 0 to 100.
  double temperature = 0;
  /// Keep tokens at least this probable in relation to the most probable one;
  /// 0 to 1, and 0 keeps all.
  double minP = 0;
  /// Keep the k most probable tokens; 0 keeps all.
  int64_t topK = 0;
  /// Keep the fewest most probable tokens whose probabilities reach this sum;
  /// above 0, and 1 keeps all.
  double topP = 1;
  uint64_t seed = 0;
};

/// Refuses values out of range.
Fault checkSampling(const SamplingOptions &options);

class Sampler {
public:
  explicit Sampler(const SamplingOptions &options)
      : options(options), random{options.seed} {}

  /// The next token for one row of logits. Fails when none of them is a number.
  /// Of equal logits the one with the smaller id is the more probable.
  Fault pick(llvm::ArrayRef<float> logits, int64_t &id);

private:
  struct Candidate {
    float logit;
    int32_t id;
  };

  SamplingOptions options;
  SplitMix random;
  /// Kept between calls so that a step allocates nothing.
  std::vector<Candidate> candidates;
  std::vector<double> weights;
};

} // namespace llmc

#endif // LLMC_RUNTIME_SAMPLER_H
