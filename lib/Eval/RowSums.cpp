//===- RowSums.cpp - Sums over a row of logits ----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowSums.h"
#include "llmc/Support/Vectorized.h"
#include <bit>
#include <cmath>

using namespace llmc;

/// Sums are kept in this many parts, whatever the width of vectors.
static constexpr int kLanes = 8;

/// exp(x) for x <= 0, to about one unit in the last place: 2^n times a series
/// in what is left, of at most ln(2) / 2. Below -708, where numbers lose
/// digits, it is e^-708, which no sum with a 1 in it sees.
static inline double exponential(double x) {
  constexpr double kRound = 0x1.8p52;
  constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  constexpr double kSeries[] = {1.0 / 6227020800,
                                1.0 / 479001600,
                                1.0 / 39916800,
                                1.0 / 3628800,
                                1.0 / 362880,
                                1.0 / 40320,
                                1.0 / 5040,
                                1.0 / 720,
                                1.0 / 120,
                                1.0 / 24,
                                1.0 / 6,
                                1.0 / 2,
                                1.0,
                                1.0};
  x = x < -708 ? -708 : x;
  double shifted = x * 0x1.71547652b82fep0 + kRound;
  double n = shifted - kRound;
  double rest = (x - n * kLn2High) - n * kLn2Low;
  double value = 0;
  for (double term : kSeries)
    value = value * rest + term;
  // The low bits of `shifted` are n as an integer.
  return value *
         std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);
}

/// Lanes in a fixed order.
static double total(const double *lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

LLMC_VECTORIZED
static bool finite(const float *row, int64_t count) {
  uint32_t wrong = 0;
  for (int64_t i = 0; i < count; ++i)
    wrong |= (std::bit_cast<uint32_t>(row[i]) & 0x7f800000u) == 0x7f800000u;
  return wrong == 0;
}

LLMC_VECTORIZED
static float largest(const float *row, int64_t count) {
  float lanes[2 * kLanes];
  for (float &lane : lanes)
    lane = -INFINITY;
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes)
    for (int j = 0; j != 2 * kLanes; ++j)
      lanes[j] = larger(row[i + j], lanes[j]);
  for (; i < count; ++i)
    lanes[0] = larger(row[i], lanes[0]);
  for (float lane : lanes)
    lanes[0] = larger(lane, lanes[0]);
  return lanes[0];
}

LLMC_VECTORIZED
static double exponentials(const float *row, double top, int64_t count) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int j = 0; j != kLanes; ++j)
      lanes[j] += exponential(row[i + j] - top);
  for (int j = 0; i < count; ++i, ++j)
    lanes[j] += exponential(row[i] - top);
  return total(lanes);
}

LLMC_VECTORIZED
static void pair(const float *model, double modelTop, const float *reference,
                 double referenceTop, int64_t count, PairSums *out) {
  double lanes[kLanes] = {}, others[kLanes] = {}, weighted[kLanes] = {};
  auto add = [&](int64_t i, int j) __attribute__((always_inline)) {
    double a = model[i] - modelTop, b = reference[i] - referenceTop;
    double p = exponential(b);
    lanes[j] += exponential(a);
    others[j] += p;
    weighted[j] += p * (b - a);
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int j = 0; j != kLanes; ++j)
      add(i + j, j);
  for (int j = 0; i < count; ++i, ++j)
    add(i, j);
  *out = {total(lanes), total(others), total(weighted)};
}

bool llmc::allFinite(const float *row, int64_t count) {
  return finite(row, count);
}

float llmc::largestOf(const float *row, int64_t count) {
  return largest(row, count);
}

double llmc::negativeLogLikelihood(const float *row, int64_t target,
                                   int64_t count) {
  double top = largest(row, count);
  return top + std::log(exponentials(row, top, count)) - row[target];
}

PairSums llmc::sumPair(const float *model, double modelTop,
                       const float *reference, double referenceTop,
                       int64_t count) {
  PairSums sums;
  pair(model, modelTop, reference, referenceTop, count, &sums);
  return sums;
}
