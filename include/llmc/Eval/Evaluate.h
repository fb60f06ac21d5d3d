//===- Evaluate.h - Score a text by a language model ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs a model, and a reference in step with it, over the windows of a text.
// Logits are asked for a few rows at a time and scored at once, so memory does
// not grow with the text by more than a score of 40 bytes per token, and 8 or 16
// for each metric. Scores do not depend on the number of threads.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_EVALUATE_H
#define LLMC_EVAL_EVALUATE_H

#include "llmc/Eval/MetricSummary.h"
#include "llmc/Eval/Protocol.h"
#include "llmc/Eval/Statistics.h"
#include "llmc/Runtime/Generate.h"
#include "llmc/Runtime/Team.h"

namespace llmc {

struct Evaluation {
  Generator &model;
  /// Null: no comparison.
  Generator *reference = nullptr;
  Protocol protocol;
  /// Threads that score.
  Team &team;
  /// Called with windows done and windows in all.
  llvm::function_ref<void(int64_t, int64_t)> progress;
  /// Measured beside, and filled in; those that compare need a reference.
  llvm::MutableArrayRef<MetricValues> metrics = {};
};

/// Scores the text `ids` by the windows that were planned for it. The contexts of
/// both models hold a window.
Fault evaluate(const Evaluation &evaluation, llvm::ArrayRef<int64_t> ids,
               llvm::ArrayRef<EvalWindow> windows,
               std::vector<TokenScore> &scores);

} // namespace llmc

#endif // LLMC_EVAL_EVALUATE_H
