//===- Calibration.cpp - Run a model that measures its inputs -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Speech.h"
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"
#include <algorithm>
#include <cstring>

using namespace llmc;

namespace {
/// The windows of a text, of `length` tokens each, evenly spread.
struct Windows {
  int64_t tokens, length, count;

  Windows(int64_t tokens, int64_t length, int64_t samples)
      : tokens(tokens), length(std::min(length, tokens)),
        count(std::clamp<int64_t>(tokens / length, 1, samples)) {}

  int64_t getBegin(int64_t window) const {
    return count == 1 ? 0 : window * (tokens - length) / (count - 1);
  }
};

class Measurement {
public:
  Measurement(CalibrationRun &run, llmc_session *session,
              const llmc_language_model &spec)
      : run(run), session(session), spec(spec) {
    run.sums.resize(run.taps);
  }

  /// Reads a window as a text of its own.
  Fault read(llvm::ArrayRef<int64_t> ids) {
    llmc_session_reset(session);
    while (!ids.empty()) {
      auto piece = ids.take_front(spec.chunk);
      if (Fault fault = readPiece(piece))
        return fault;
      ids = ids.drop_front(piece.size());
    }
    return {};
  }

private:
  Fault readPiece(llvm::ArrayRef<int64_t> ids) {
    llmc_error *error = nullptr;
    int64_t count = ids.size();
    void *input = llmc_session_input(session, "ids", 1, &count, &error);
    if (!input)
      return takeError(error);
    memcpy(input, ids.data(), count * sizeof(int64_t));
    // Logits of all tokens, so that the last product sees all of them, too.
    if (llmc_session_set_symbol(session, "n_logits", count, &error) ||
        llmc_session_run(session, &error))
      return takeError(error);
    for (int64_t i = 0; i != run.taps; ++i) {
      llmc_tensor found;
      std::string name = "tap" + std::to_string(i);
      if (llmc_session_output(session, name.c_str(), &found, &error))
        return takeError(error);
      llvm::ArrayRef part(static_cast<const double *>(found.data),
                          found.extents[0] * found.extents[1]);
      std::vector<double> &sums = run.sums[i];
      sums.resize(part.size());
      for (size_t k = 0; k != part.size(); ++k)
        sums[k] += part[k];
    }
    run.tokens += count;
    return {};
  }

  CalibrationRun &run;
  llmc_session *session;
  const llmc_language_model &spec;
};
} // namespace

Fault llmc::runCalibration(CalibrationRun &run) {
  llmc_model_options options = {sizeof(options), run.threads, 0};
  llmc_error *error = nullptr;
  ModelHandle model(llmc_model_open(run.bundle.c_str(), &options, &error));
  if (!model)
    return takeError(error);
  llmc_language_model spec = {};
  if (!llmc_model_language_model(model.get(), &spec))
    return Fault::input("the model is no language model");
  Speech speech;
  std::vector<int64_t> ids;
  bool begins = false;
  if (Fault fault =
          Speech::open(run.bundle, "calibration cuts its text with it", speech))
    return fault;
  if (Fault fault = speech.checkFits(spec))
    return fault;
  if (Fault fault = speech.encodeFile(run.text, spec, ids, begins))
    return fault;
  if (ids.empty())
    return Fault::input("'" + run.text +
                        "' has no tokens, and calibration runs the model on "
                        "them; give a text of some thousand words");

  llmc_session_options wanted = {sizeof(wanted), run.length, 0};
  SessionHandle session(
      llmc_session_create(model.get(), spec.entry, &wanted, &error));
  if (!session)
    return takeError(error);
  Windows windows(ids.size(), run.length - begins, run.samples);
  Measurement measurement(run, session.get(), spec);
  std::vector<int64_t> tokens;
  for (; run.windows != windows.count; ++run.windows) {
    run.progress(run.windows, windows.count);
    auto begin = ids.begin() + windows.getBegin(run.windows);
    tokens.assign(begins ? 1 : 0, spec.bos);
    tokens.insert(tokens.end(), begin, begin + windows.length);
    if (Fault fault = measurement.read(tokens))
      return fault;
  }
  run.progress(windows.count, windows.count);
  return {};
}
