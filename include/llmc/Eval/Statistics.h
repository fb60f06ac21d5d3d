//===- Statistics.h - Scores of tokens, and what they say together --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From rows of logits to perplexity and divergence. Everything is computed in
// double and in a fixed order; logarithms are natural.
//
// Intervals come from a bootstrap: tokens scored one after the other make a
// block, and blocks are drawn with replacement, each with the scores of both models. So
// that which is common to both, above all how hard the text is, cancels where
// they are compared (the bootstrap is paired), and tokens of one sentence are
// not taken for independent.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_STATISTICS_H
#define LLMC_EVAL_STATISTICS_H

#include "llmc/Support/Fault.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace llmc {

/// What is known of one scored token.
struct TokenScore {
  /// -log of the probability that the model gave the token.
  double loss = 0;
  /// The same of the reference model.
  double referenceLoss = 0;
  /// Kullback-Leibler divergence of the model from the reference, over the
  /// whole vocabulary: sum of p (log p - log q), p being the reference.
  double divergence = 0;
  /// By how much the reference's best logit is above its second.
  float margin = 0;
  /// The models' best tokens are the same; of equal logits the first counts.
  bool agree = true;
};

/// Scores one row of logits; fails when one of them is no finite number.
Fault scoreRow(llvm::ArrayRef<float> logits, int64_t target, TokenScore &out);
/// The same with a reference, whose row is as long.
Fault scoreRows(llvm::ArrayRef<float> logits, llvm::ArrayRef<float> reference,
                int64_t target, TokenScore &out);

/// A figure, and between which values it lies with a confidence of 95 %.
struct Estimate {
  double value = 0, low = 0, high = 0;
};

struct BootstrapOptions {
  uint64_t seed = 0;
  int resamples = 1000;
};

/// Tokens of a block (the last may have fewer), and how many blocks make an interval worth its name.
constexpr int64_t kBlockTokens = 64;
constexpr int64_t kLeastBlocks = 10;
/// Reference tokens whose margin is smaller are near ties: their probabilities
/// differ by less than 10.6 %.
constexpr float kNearTie = 0.1f;

/// What all scores say together.
struct Summary {
  int64_t tokens = 0, blocks = 0;
  /// False for fewer than kLeastBlocks blocks; then low and high are not set.
  bool hasIntervals = false;
  /// exp of the mean loss.
  Estimate perplexity;

  // The rest compares with the reference.
  Estimate referencePerplexity;
  /// perplexity / referencePerplexity - 1.
  Estimate excess;
  Estimate meanDivergence;
  /// 99.9th percentile; between two values linear, as NumPy does it.
  Estimate tailDivergence;
  double medianDivergence = 0, largestDivergence = 0;
  /// Share of tokens for which the best token is the same.
  Estimate agreement;
  /// Tokens for which it is another, those of them at near ties of the
  /// reference, and all near ties.
  int64_t flips = 0, nearTieFlips = 0, nearTies = 0;
};

/// `scores` are in the order of the text and not empty. Without `compared`, only
/// the perplexity is computed.
Summary summarize(llvm::ArrayRef<TokenScore> scores, bool compared,
                  const BootstrapOptions &options);

} // namespace llmc

#endif // LLMC_EVAL_STATISTICS_H
