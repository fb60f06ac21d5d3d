//===- Evaluate.cpp - Score a text by a language model --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Evaluate.h"
#include <algorithm>
#include <cstring>

using namespace llmc;

/// Bytes of logits that one run of a model may give: large enough for the
/// output matrix to be read once for many rows.
static constexpr int64_t kLogitBytes = int64_t(16) << 20;

static Fault take(llmc_error *error) {
  Fault fault{static_cast<Blame>(llmc_error_status(error)),
              llmc_error_text(error)};
  llmc_error_free(error);
  return fault;
}

/// Forgets what the session has read.
static void startAnew(llmc_session *session) {
  // Caches need not be cleared, which spares writing all of them.
  if (llmc_session_truncate(session, 0, nullptr))
    llmc_session_reset(session);
}

/// Reads `ids` and gives the logits of the last `rows` of them.
static Fault readPiece(llmc_session *session, llvm::ArrayRef<int64_t> ids,
                       int64_t rows, llvm::ArrayRef<float> &logits) {
  llmc_error *error = nullptr;
  int64_t count = ids.size();
  void *input = llmc_session_input(session, "ids", 1, &count, &error);
  if (!input)
    return take(error);
  memcpy(input, ids.data(), count * sizeof(int64_t));
  llmc_tensor found;
  if (llmc_session_set_symbol(session, "n_logits", rows, &error) ||
      llmc_session_run(session, &error) ||
      llmc_session_output(session, "logits", &found, &error))
    return take(error);
  logits = {static_cast<const float *>(found.data),
            static_cast<size_t>(found.extents[0] * found.extents[1])};
  return {};
}

namespace {
/// Scores the rows of a piece on all threads.
struct Scoring {
  int64_t vocabulary;
  llvm::ArrayRef<float> logits, reference;
  llvm::ArrayRef<int64_t> targets;
  llvm::MutableArrayRef<TokenScore> scores;
  llvm::MutableArrayRef<MetricValues> metrics;
  /// Tokens that were scored before.
  size_t first;
  /// What went wrong with each row.
  std::vector<Fault> faults;

  static void run(void *self, int64_t begin, int64_t end) {
    auto &scoring = *static_cast<Scoring *>(self);
    size_t width = scoring.vocabulary;
    for (int64_t row = begin; row != end; ++row) {
      llvm::ArrayRef<float> logits = scoring.logits.slice(row * width, width);
      int64_t target = scoring.targets[row];
      llvm::ArrayRef<float> reference;
      if (!scoring.reference.empty())
        reference = scoring.reference.slice(row * width, width);
      Fault &fault = scoring.faults[row];
      fault = reference.empty()
                  ? scoreRow(logits, target, scoring.scores[row])
                  : scoreRows(logits, reference, target, scoring.scores[row]);
      if (fault)
        fault.text = "a model gave " + fault.text;
      for (size_t i = 0; i != scoring.metrics.size() && !fault; ++i)
        fault = scoring.measure(scoring.metrics[i], row, logits, reference);
    }
  }

  Fault measure(MetricValues &values, int64_t row, llvm::ArrayRef<float> logits,
                llvm::ArrayRef<float> reference) const {
    const Metric &metric = values.metric;
    MetricPosition position = {vocabulary, targets[row], logits.data(),
                               metric.compares ? reference.data() : nullptr};
    std::string wrong = metric.measure(position, values.values[first + row]);
    if (wrong.empty() && !values.reference.empty()) {
      position.logits = reference.data();
      wrong = metric.measure(position, values.reference[first + row]);
    }
    return wrong.empty()
               ? Fault()
               : Fault::input("metric '" + metric.name + "' " + wrong);
  }
};

class Evaluator {
public:
  Evaluator(const Evaluation &evaluation, llvm::ArrayRef<int64_t> ids,
            std::vector<TokenScore> &scores)
      : evaluation(evaluation), ids(ids), scores(scores),
        spec(evaluation.model.model()) {
    chunk = spec.chunk;
    if (evaluation.reference)
      chunk = std::min(chunk, evaluation.reference->model().chunk);
    rows = std::clamp<int64_t>(
        kLogitBytes / int64_t(sizeof(float)) / spec.vocabulary, 1, chunk);
  }

  Fault check() const;
  Fault scoreWindow(const EvalWindow &window);

private:
  Fault scorePiece(llvm::ArrayRef<int64_t> piece, int64_t wanted, int64_t next);

  const Evaluation &evaluation;
  llvm::ArrayRef<int64_t> ids;
  std::vector<TokenScore> &scores;
  const llmc_language_model &spec;
  /// Most tokens of one run, and most rows of logits.
  int64_t chunk = 0, rows = 0;
  /// The tokens of a window.
  std::vector<int64_t> tokens;
};
} // namespace

Fault Evaluator::check() const {
  for (size_t i = 0; i != ids.size(); ++i)
    if (ids[i] < 0 || ids[i] >= spec.vocabulary)
      return Fault::input("token id " + std::to_string(ids[i]) + " (number " +
                          std::to_string(i + 1) +
                          " of the text) is not in the vocabulary of " +
                          std::to_string(spec.vocabulary) + " ids");
  if (evaluation.protocol.bos && spec.bos < 0)
    return Fault::input("the model names no begin token; leave it out with "
                        "--bos no");
  if (!evaluation.reference)
    return {};
  int64_t other = evaluation.reference->model().vocabulary;
  if (other != spec.vocabulary)
    return Fault::input("expected the reference to have the vocabulary of the "
                        "model, " +
                        std::to_string(spec.vocabulary) + " ids, but got " +
                        std::to_string(other));
  return {};
}

/// Runs both models on `piece`, whose last `wanted` tokens predict the tokens
/// from number `next` of the text on.
Fault Evaluator::scorePiece(llvm::ArrayRef<int64_t> piece, int64_t wanted,
                            int64_t next) {
  Scoring scoring{spec.vocabulary, {}, {}, {}, {}, evaluation.metrics,
                  scores.size(),   {}};
  if (Fault fault =
          readPiece(evaluation.model.handle(), piece, wanted, scoring.logits))
    return fault;
  if (evaluation.reference) {
    Fault fault = readPiece(evaluation.reference->handle(), piece, wanted,
                            scoring.reference);
    if (fault)
      return {fault.blame, "reference: " + fault.text};
  }
  if (!wanted)
    return {};
  scores.resize(scoring.first + wanted);
  for (MetricValues &values : evaluation.metrics) {
    values.values.resize(scores.size());
    if (evaluation.reference && !values.metric.compares)
      values.reference.resize(scores.size());
  }
  scoring.targets = ids.slice(next, wanted);
  scoring.scores = llvm::MutableArrayRef(scores).drop_front(scoring.first);
  scoring.faults.resize(wanted);
  evaluation.team.parallelFor(Scoring::run, &scoring, wanted,
                              evaluation.team.size());
  for (int64_t row = 0; row != wanted; ++row)
    if (Fault &fault = scoring.faults[row])
      return {fault.blame, fault.text + " for token " +
                               std::to_string(next + row + 1) + " of the text"};
  return {};
}

Fault Evaluator::scoreWindow(const EvalWindow &window) {
  bool bos = evaluation.protocol.bos;
  tokens.clear();
  if (bos)
    tokens.push_back(spec.bos);
  // The last token of the window is only predicted.
  tokens.insert(tokens.end(), ids.begin() + window.begin,
                ids.begin() + window.end - 1);
  startAnew(evaluation.model.handle());
  if (evaluation.reference)
    startAnew(evaluation.reference->handle());
  // tokens[i] predicts token number window.begin - bos + i + 1 of the text.
  int64_t firstScoring = window.scored - window.begin + bos - 1;
  int64_t total = tokens.size();
  for (int64_t at = 0; at != total;) {
    bool scoring = at >= firstScoring;
    int64_t end = scoring ? std::min(total, at + rows)
                          : std::min(firstScoring, at + chunk);
    if (Fault fault =
            scorePiece(llvm::ArrayRef(tokens).slice(at, end - at),
                       scoring ? end - at : 0, window.begin - bos + at + 1))
      return fault;
    at = end;
  }
  return {};
}

Fault llmc::evaluate(const Evaluation &evaluation, llvm::ArrayRef<int64_t> ids,
                     llvm::ArrayRef<EvalWindow> windows,
                     std::vector<TokenScore> &scores) {
  scores.clear();
  Evaluator evaluator(evaluation, ids, scores);
  if (Fault fault = evaluator.check())
    return fault;
  for (size_t i = 0; i != windows.size(); ++i) {
    evaluation.progress(i, windows.size());
    if (Fault fault = evaluator.scoreWindow(windows[i]))
      return fault;
  }
  evaluation.progress(windows.size(), windows.size());
  return {};
}
