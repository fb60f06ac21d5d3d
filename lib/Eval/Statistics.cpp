//===- Statistics.cpp - Scores of tokens, and what they say together ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Statistics.h"
#include "llmc/Support/SplitMix.h"
#include <algorithm>
#include <cmath>

using namespace llmc;

static constexpr double kTail = 0.999;
static constexpr double kConfidence = 0.95;

//===----------------------------------------------------------------------===//
// One token
//===----------------------------------------------------------------------===//

namespace {
/// The best logits of a row.
struct Best {
  size_t index = 0;
  float first = -INFINITY, second = -INFINITY;
};
} // namespace

static Fault findBest(llvm::ArrayRef<float> row, Best &best) {
  bool finite = true;
  for (size_t i = 0; i != row.size(); ++i) {
    finite &= std::isfinite(row[i]);
    if (row[i] > best.first) {
      best.second = best.first;
      best.first = row[i];
      best.index = i;
    } else {
      best.second = std::max(best.second, row[i]);
    }
  }
  return finite && !row.empty()
             ? Fault()
             : Fault::input("logits that are not finite numbers");
}

Fault llmc::scoreRow(llvm::ArrayRef<float> logits, int64_t target,
                     TokenScore &out) {
  Best best;
  if (Fault fault = findBest(logits, best))
    return fault;
  double top = best.first, sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - top);
  out.loss = top + std::log(sum) - logits[target];
  return {};
}

Fault llmc::scoreRows(llvm::ArrayRef<float> logits,
                      llvm::ArrayRef<float> reference, int64_t target,
                      TokenScore &out) {
  Best best, referenceBest;
  if (Fault fault = findBest(logits, best))
    return fault;
  if (Fault fault = findBest(reference, referenceBest))
    return fault;
  double top = best.first, referenceTop = referenceBest.first;
  double sum = 0, referenceSum = 0, weighted = 0;
  for (size_t i = 0; i != logits.size(); ++i) {
    double a = logits[i] - top, b = reference[i] - referenceTop;
    double p = std::exp(b);
    sum += std::exp(a);
    referenceSum += p;
    weighted += p * (b - a);
  }
  double logSum = std::log(sum), referenceLogSum = std::log(referenceSum);
  out.loss = top + logSum - logits[target];
  out.referenceLoss = referenceTop + referenceLogSum - reference[target];
  // Not negative but for rounding, which would be all there is to see.
  out.divergence =
      std::max(0.0, weighted / referenceSum + (logSum - referenceLogSum));
  out.margin =
      logits.size() > 1 ? referenceBest.first - referenceBest.second : INFINITY;
  out.agree = best.index == referenceBest.index;
  return {};
}

//===----------------------------------------------------------------------===//
// All tokens
//===----------------------------------------------------------------------===//

/// The quantile q of sorted values, linear between two of them.
static double quantile(llvm::ArrayRef<double> sorted, double q) {
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

static void setInterval(Estimate &estimate, std::vector<double> values) {
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
