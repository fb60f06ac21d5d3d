//===- Protocol.h - Which tokens of a text are scored, given what ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A perplexity means nothing without the protocol that it was measured by: how
// a long text is cut into windows, and how much of a window a token sees. Two
// protocols are offered, and both are plain lists of windows.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_EVAL_PROTOCOL_H
#define LLMC_EVAL_PROTOCOL_H

#include "llmc/Support/Fault.h"
#include <cstdint>
#include <string>
#include <vector>

namespace llmc {

struct Protocol {
  enum class Kind {
    /// Windows of `context` tokens begin every `stride` tokens. A window scores
    /// each of its tokens that no window before it has scored and that has a
    /// token before it. So without overlap and without a begin token the first
    /// token of each window is not scored.
    Window,
    /// That of llama.cpp's perplexity tool: windows of `context` tokens that do
    /// not overlap and are all whole, the begin token in place of the first
    /// token of each; the second half is scored.
    LlamaCpp,
  };
  Kind kind = Kind::Window;
  /// Tokens of a window, the begin token counted.
  int64_t context = 0;
  /// Tokens of the text from the beginning of a window to that of the next;
  /// 0: as many as a window has of the text. Not for LlamaCpp.
  int64_t stride = 0;
  /// Each window begins with the model's begin token.
  bool bos = false;

  /// Tokens of the text in a whole window.
  int64_t textTokens() const { return context - bos; }
};

/// What one window reads and scores. Positions are tokens of the text.
struct EvalWindow {
  /// It reads [begin, end), behind the begin token if the protocol has one; the
  /// last token is only predicted.
  int64_t begin = 0, end = 0;
  /// It scores [scored, end).
  int64_t scored = 0;

  bool operator==(const EvalWindow &) const = default;
};

/// The windows of a text of `tokens` tokens, in order. Fails when nothing of
/// the text would be scored.
Fault planWindows(const Protocol &protocol, int64_t tokens,
                  std::vector<EvalWindow> &windows);

/// "windows of 256 tokens, stride 255, each behind the begin token".
std::string protocolText(const Protocol &protocol);

} // namespace llmc

#endif // LLMC_EVAL_PROTOCOL_H
