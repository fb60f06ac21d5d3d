//===- Statistics.cpp - Scores of tokens, and what they say together ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Statistics.h"
#include "Bootstrap.h"
#include "RowSums.h"
#include "llmc/Support/SplitMix.h"
#include "llvm/ADT/STLExtras.h"
#include <algorithm>
#include <cmath>

using namespace llmc;

static constexpr double kConfidence = 0.95;

//===----------------------------------------------------------------------===//
// One token
//===----------------------------------------------------------------------===//

static Fault checkFinite(llvm::ArrayRef<float> row) {
  return !row.empty() && allFinite(row.data(), row.size())
             ? Fault()
             : Fault::input("logits that are not finite numbers");
}

static float largest(llvm::ArrayRef<float> row) {
  return largestOf(row.data(), row.size());
}

Fault llmc::scoreRow(llvm::ArrayRef<float> logits, int64_t target,
                     TokenScore &out) {
  if (Fault fault = checkFinite(logits))
    return fault;
  out.loss = negativeLogLikelihood(logits.data(), target, logits.size());
  return {};
}

Fault llmc::scoreRows(llvm::ArrayRef<float> logits,
                      llvm::ArrayRef<float> reference, int64_t target,
                      TokenScore &out) {
  for (llvm::ArrayRef<float> row : {logits, reference})
    if (Fault fault = checkFinite(row))
      return fault;
  float best = largest(logits), referenceBest = largest(reference);
  double top = best, referenceTop = referenceBest;
  PairSums sums = sumPair(logits.data(), top, reference.data(), referenceTop,
                          logits.size());
  double logSum = std::log(sums.model);
  double referenceLogSum = std::log(sums.reference);
  out.loss = top + logSum - logits[target];
  out.referenceLoss = referenceTop + referenceLogSum - reference[target];
  out.divergence = sums.divergence(logSum, referenceLogSum);
  size_t index = llvm::find(reference, referenceBest) - reference.begin();
  float second = std::max(largest(reference.take_front(index)),
                          largest(reference.drop_front(index + 1)));
  out.margin = referenceBest - second;
  out.agree = llvm::find(logits, best) - logits.begin() ==
              static_cast<ptrdiff_t>(index);
  return {};
}

//===----------------------------------------------------------------------===//
// All tokens
//===----------------------------------------------------------------------===//

double llmc::quantile(llvm::ArrayRef<double> sorted, double q) {
  double at = q * (sorted.size() - 1);
  size_t below = static_cast<size_t>(at);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

namespace {
/// Sums over tokens.
struct Sums {
  double loss = 0, referenceLoss = 0, divergence = 0;
  int64_t agreeing = 0, tokens = 0;

  void add(const Sums &other) {
    loss += other.loss;
    referenceLoss += other.referenceLoss;
    divergence += other.divergence;
    agreeing += other.agreeing;
    tokens += other.tokens;
  }
};

/// The figures of one drawing of blocks.
struct Figures {
  double perplexity, referencePerplexity, excess, divergence, agreement;

  explicit Figures(const Sums &sums) {
    double count = sums.tokens;
    perplexity = std::exp(sums.loss / count);
    referencePerplexity = std::exp(sums.referenceLoss / count);
    excess = std::expm1((sums.loss - sums.referenceLoss) / count);
    divergence = sums.divergence / count;
    agreement = sums.agreeing / count;
  }
};

/// Divergences from the largest down, for quantiles near the top of a drawing:
/// the walk ends after a thousandth of the tokens.
class Tail {
public:
  explicit Tail(llvm::ArrayRef<TokenScore> scores) {
    for (size_t i = 0; i != scores.size(); ++i)
      sorted.push_back({scores[i].divergence, i / kBlockTokens});
    std::sort(sorted.begin(), sorted.end(), [](const Item &a, const Item &b) {
      return a.divergence != b.divergence ? a.divergence > b.divergence
                                          : a.block < b.block;
    });
  }

  /// The quantile kTail when block b was drawn drawn[b] times, `total` tokens
  /// in all.
  double operator()(llvm::ArrayRef<int32_t> drawn, int64_t total) const {
    double at = (1 - kTail) * (total - 1);
    int64_t wanted = static_cast<int64_t>(at), seen = 0;
    double upper = 0;
    bool found = false;
    for (const Item &item : sorted) {
      seen += drawn[item.block];
      if (!found && seen > wanted) {
        upper = item.divergence;
        found = true;
      }
      if (seen > wanted + 1)
        return upper + (at - wanted) * (item.divergence - upper);
    }
    return upper;
  }

private:
  struct Item {
    double divergence;
    size_t block;
  };
  std::vector<Item> sorted;
};
} // namespace

void llmc::setInterval(Estimate &estimate, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  estimate.low = quantile(values, (1 - kConfidence) / 2);
  estimate.high = quantile(values, (1 + kConfidence) / 2);
}

static void bootstrap(llvm::ArrayRef<Sums> blocks, const Tail *tail,
                      const BootstrapOptions &options, Summary &summary) {
  SplitMix random{options.seed};
  std::vector<double> perplexities, references, excesses, divergences, tails,
      agreements;
  std::vector<int32_t> drawn(blocks.size());
  for (int i = 0; i != options.resamples; ++i) {
    std::fill(drawn.begin(), drawn.end(), 0);
    Sums sums;
    for (size_t k = 0; k != blocks.size(); ++k) {
      uint64_t chosen = random.below(blocks.size());
      ++drawn[chosen];
      sums.add(blocks[chosen]);
    }
    Figures figures(sums);
    perplexities.push_back(figures.perplexity);
    if (!tail)
      continue;
    references.push_back(figures.referencePerplexity);
    excesses.push_back(figures.excess);
    divergences.push_back(figures.divergence);
    agreements.push_back(figures.agreement);
    tails.push_back((*tail)(drawn, sums.tokens));
  }
  setInterval(summary.perplexity, std::move(perplexities));
  if (!tail)
    return;
  setInterval(summary.referencePerplexity, std::move(references));
  setInterval(summary.excess, std::move(excesses));
  setInterval(summary.meanDivergence, std::move(divergences));
  setInterval(summary.tailDivergence, std::move(tails));
  setInterval(summary.agreement, std::move(agreements));
}

Summary llmc::summarize(llvm::ArrayRef<TokenScore> scores, bool compared,
                        const BootstrapOptions &options) {
  Summary summary;
  std::vector<Sums> blocks((scores.size() + kBlockTokens - 1) / kBlockTokens);
  std::vector<double> divergences;
  for (size_t i = 0; i != scores.size(); ++i) {
    const TokenScore &score = scores[i];
    blocks[i / kBlockTokens].add(
        {score.loss, score.referenceLoss, score.divergence, score.agree, 1});
    summary.flips += !score.agree;
    summary.nearTies += score.margin < kNearTie;
    summary.nearTieFlips += !score.agree && score.margin < kNearTie;
    divergences.push_back(score.divergence);
  }
  Sums all;
  for (const Sums &block : blocks)
    all.add(block);
  Figures figures(all);
  summary.tokens = scores.size();
  summary.blocks = blocks.size();
  summary.hasIntervals = summary.blocks >= kLeastBlocks;
  summary.perplexity.value = figures.perplexity;
  if (!compared) {
    summary.flips = summary.nearTies = summary.nearTieFlips = 0;
    if (summary.hasIntervals)
      bootstrap(blocks, nullptr, options, summary);
    return summary;
  }
  std::sort(divergences.begin(), divergences.end());
  summary.referencePerplexity.value = figures.referencePerplexity;
  summary.excess.value = figures.excess;
  summary.meanDivergence.value = figures.divergence;
  summary.tailDivergence.value = quantile(divergences, kTail);
  summary.medianDivergence = quantile(divergences, 0.5);
  summary.largestDivergence = divergences.back();
  summary.agreement.value = figures.agreement;
  if (summary.hasIntervals) {
    Tail tail(scores);
    bootstrap(blocks, &tail, options, summary);
  }
  return summary;
}
