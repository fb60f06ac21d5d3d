//===- Generate.cpp - Continue a text of token ids ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Generate.h"
#include <algorithm>
#include <cstring>

using namespace llmc;

/// Takes the error of a C call.
static Fault take(llmc_error *error) {
  Fault fault{static_cast<Blame>(llmc_error_status(error)),
              llmc_error_text(error)};
  llmc_error_free(error);
  return fault;
}

Generator::~Generator() {
  if (session)
    llmc_session_free(session);
}

Fault Generator::create(llmc_model *model, int64_t context, unsigned threads,
                        std::unique_ptr<Generator> &out) {
  std::unique_ptr<Generator> made(new Generator());
  if (!llmc_model_language_model(model, &made->spec))
    return Fault::input(
        "the model is not a language model; 'llmc run' runs it");
  llmc_session_options options = {sizeof(options), context, threads};
  llmc_error *error = nullptr;
  made->session =
      llmc_session_create(model, made->spec.entry, &options, &error);
  if (!made->session)
    return take(error);
  const llmc_signature *in = llmc_session_input_signature(made->session, 0);
  const llmc_signature *out0 = llmc_session_output_signature(made->session, 0);
  if (llmc_session_input_count(made->session) != 1 || strcmp(in->name, "ids") ||
      in->dtype != LLMC_I64 || in->rank != 1)
    return Fault::input("expected the language model to take 'ids' alone, "
                        "i64 of rank 1");
  if (llmc_session_output_count(made->session) != 1 ||
      strcmp(out0->name, "logits") || out0->dtype != LLMC_F32 ||
      out0->rank != 2 || out0->extents[1] != made->spec.vocabulary)
    return Fault::input("expected the language model to give 'logits' alone, "
                        "f32 of rank 2 with the vocabulary last");
  made->ends.assign(made->spec.eos, made->spec.eos + made->spec.eos_count);
  made->rowSize = made->spec.vocabulary;
  out = std::move(made);
  return {};
}

bool Generator::isEndToken(int64_t id) const {
  return std::find(ends.begin(), ends.end(), id) != ends.end();
}

Fault Generator::read(int64_t count, bool wanted) {
  llmc_error *error = nullptr;
  int64_t position = llmc_session_position(session);
  void *input = llmc_session_input(session, "ids", 1, &count, &error);
  if (!input)
    return take(error);
  memcpy(input, ids.data() + position, count * sizeof(int64_t));
  llmc_tensor logits;
  if (llmc_session_set_symbol(session, "n_logits", wanted, &error) ||
      llmc_session_run(session, &error) ||
      llmc_session_output(session, "logits", &logits, &error))
    return take(error);
  row = wanted ? static_cast<const float *>(logits.data) : nullptr;
  return {};
}

Fault Generator::setText(llvm::ArrayRef<int64_t> text,
                         llvm::function_ref<bool()> goOn, bool &complete) {
  complete = false;
  if (text.empty())
    return Fault::input("the prompt has no tokens");
  if (static_cast<uint64_t>(text.size()) > static_cast<uint64_t>(context()))
    return Fault::input("the prompt has " + std::to_string(text.size()) +
                        " tokens but the context holds " +
                        std::to_string(context()));
  for (size_t i = 0; i != text.size(); ++i)
    if (text[i] < 0 || text[i] >= spec.vocabulary)
      return Fault::input("token id " + std::to_string(text[i]) + " (number " +
                          std::to_string(i + 1) + " of the prompt) is not in " +
                          "the vocabulary of " +
                          std::to_string(spec.vocabulary) + " ids");
  int64_t position = llmc_session_position(session);
  // Logits come from reading, so the last token is read again if need be.
  int64_t most = std::min<int64_t>(position, text.size() - 1), same = 0;
  while (same != most && ids[same] == text[same])
    ++same;
  if (same != position) {
    // States that cannot go back start anew.
    if (llmc_session_truncate(session, same, nullptr)) {
      llmc_session_reset(session);
      same = 0;
    }
  }
  ids.assign(text.begin(), text.end());
  for (int64_t at = same, total = ids.size(); at != total;) {
    if (!goOn())
      return {};
    int64_t count = std::min(spec.chunk, total - at);
    at += count;
    if (Fault fault = read(count, at == total))
      return fault;
  }
  complete = true;
  return {};
}

Fault Generator::step(int64_t id) {
  if (id < 0 || id >= spec.vocabulary)
    return Fault::input("token id " + std::to_string(id) +
                        " is not in the vocabulary of " +
                        std::to_string(spec.vocabulary) + " ids");
  ids.resize(llmc_session_position(session));
  ids.push_back(id);
  return read(1, true);
}

Fault Generator::generate(int64_t maxTokens, Sampler &sampler,
                          llvm::function_ref<bool(int64_t)> emit,
                          StopReason &reason) {
  reason = StopReason::MaxTokens;
  for (int64_t count = 0; count < maxTokens; ++count) {
    if (!row)
      return Fault::usage("there is no text to continue");
    int64_t id;
    if (Fault fault = sampler.pick(logits(), id))
      return fault;
    row = nullptr;
    ids.push_back(id);
    bool goOn = emit(id);
    if (isEndToken(id)) {
      reason = StopReason::EndToken;
      return {};
    }
    if (!goOn) {
      reason = StopReason::Interrupted;
      return {};
    }
    if (count + 1 == maxTokens)
      return {};
    if (llmc_session_position(session) == context()) {
      reason = StopReason::ContextFull;
      return {};
    }
    if (Fault fault = read(1, true))
      return fault;
  }
  return {};
}
