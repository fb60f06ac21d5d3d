//===- Protocol.cpp - Which tokens of a text are scored, given what -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Protocol.h"
#include <algorithm>

using namespace llmc;

static void planSliding(const Protocol &protocol, int64_t tokens,
                        std::vector<EvalWindow> &windows) {
  int64_t length = protocol.textTokens();
  int64_t stride = protocol.stride ? protocol.stride : length;
  for (int64_t begin = 0, covered = 0; covered != tokens; begin += stride) {
    int64_t end = begin + std::min(length, tokens - begin);
    int64_t scored = std::max(covered, begin + !protocol.bos);
    covered = end;
    if (scored < end)
      windows.push_back({begin, end, scored});
  }
}

/// llama.cpp takes the text with the begin token before it, cuts that into
/// pieces and overwrites the first token of each piece.
static void planLlamaCpp(const Protocol &protocol, int64_t tokens,
                         std::vector<EvalWindow> &windows) {
  int64_t n = protocol.context;
  for (int64_t begin = 0; begin <= tokens + protocol.bos - n; begin += n)
    windows.push_back(
        {begin, begin + protocol.textTokens(), begin + n / 2 + !protocol.bos});
}

Fault llmc::planWindows(const Protocol &protocol, int64_t tokens,
                        std::vector<EvalWindow> &windows) {
  windows.clear();
  bool sliding = protocol.kind == Protocol::Kind::Window;
  // One token to see and one to predict; half a window is scored by LlamaCpp.
  int64_t least = sliding ? 2 : 4;
  if (protocol.context < least)
    return Fault::usage("expected windows of at least " +
                        std::to_string(least) + " tokens but got " +
                        std::to_string(protocol.context));
  if (sliding &&
      (protocol.stride < 0 || protocol.stride > protocol.textTokens()))
    return Fault::usage(
        "expected a stride of 1 to " + std::to_string(protocol.textTokens()) +
        ", so that windows of " + std::to_string(protocol.context) +
        " tokens leave nothing out, but got " +
        std::to_string(protocol.stride));
  if (sliding)
    planSliding(protocol, tokens, windows);
  else
    planLlamaCpp(protocol, tokens, windows);
  if (!windows.empty())
    return {};
  return Fault::input(
      "the text has " + std::to_string(tokens) +
      " tokens, too few to score any" +
      (sliding ? "" : " in windows of " + std::to_string(protocol.context)));
}

std::string llmc::protocolText(const Protocol &protocol) {
  std::string text =
      "windows of " + std::to_string(protocol.context) + " tokens, ";
  if (protocol.kind == Protocol::Kind::Window)
    text += "stride " + std::to_string(protocol.stride ? protocol.stride
                                                       : protocol.textTokens());
  else
    text += "second half scored, as llama.cpp does";
  return text +
         (protocol.bos ? ", begin token first in each" : ", no begin token");
}
