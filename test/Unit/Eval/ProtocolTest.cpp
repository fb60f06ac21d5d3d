//===- ProtocolTest.cpp - Which tokens are scored, given what -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Eval/Protocol.h"
#include <gtest/gtest.h>

using namespace llmc;

using Windows = std::vector<EvalWindow>;

void PrintTo(const EvalWindow &window, std::ostream *out) {
  *out << "[" << window.begin << "," << window.end << ") from "
       << window.scored;
}

static Windows plan(Protocol protocol, int64_t tokens) {
  Windows windows;
  Fault fault = planWindows(protocol, tokens, windows);
  EXPECT_FALSE(fault) << fault.text;
  return windows;
}

static std::string refusal(Protocol protocol, int64_t tokens) {
  Windows windows;
  return planWindows(protocol, tokens, windows).text;
}

constexpr auto kWindow = Protocol::Kind::Window;
constexpr auto kLlamaCpp = Protocol::Kind::LlamaCpp;

TEST(Protocol, CutsATextIntoWindows) {
  // Without a begin token the first of each window has nothing before it.
  EXPECT_EQ(plan({kWindow, 4, 0, false}, 10),
            (Windows{{0, 4, 1}, {4, 8, 5}, {8, 10, 9}}));
  // A window that is one token long scores nothing.
  EXPECT_EQ(plan({kWindow, 4, 0, false}, 9), (Windows{{0, 4, 1}, {4, 8, 5}}));
  // With one, three tokens of the text fit, and all are scored.
  EXPECT_EQ(plan({kWindow, 4, 0, true}, 7),
            (Windows{{0, 3, 0}, {3, 6, 3}, {6, 7, 6}}));
}

TEST(Protocol, OverlapsWindowsAndScoresEachTokenOnce) {
  EXPECT_EQ(plan({kWindow, 6, 2, false}, 11),
            (Windows{{0, 6, 1}, {2, 8, 6}, {4, 10, 8}, {6, 11, 10}}));
  for (bool bos : {false, true})
    for (int64_t context : {2, 3, 8})
      for (int64_t stride = 1; stride <= context - bos; ++stride)
        for (int64_t tokens : {2, 3, 7, 8, 9, 40}) {
          int64_t next = !bos;
          for (const EvalWindow &window :
               plan({kWindow, context, stride, bos}, tokens)) {
            EXPECT_LE(window.end - window.begin + bos, context);
            EXPECT_GE(window.scored, window.begin + !bos);
            EXPECT_LT(window.scored, window.end);
            // Only a window that overlaps none before leaves one out.
            EXPECT_TRUE(window.scored == next ||
                        (stride == context && window.scored == next + 1));
            next = window.end;
          }
          EXPECT_TRUE(next == tokens ||
                      (stride == context && next + 1 == tokens));
        }
}

TEST(Protocol, DoesAsLlamaCpp) {
  // Of 8 logits the tool uses those of tokens 4 to 6, which predict 5 to 7.
  EXPECT_EQ(plan({kLlamaCpp, 8, 0, false}, 20),
            (Windows{{0, 8, 5}, {8, 16, 13}}));
  // The begin token shifts the text by one: the first window has the tokens 0
  // to 6, and token 7 is what the begin token of the second one replaces.
  EXPECT_EQ(plan({kLlamaCpp, 8, 0, true}, 23),
            (Windows{{0, 7, 4}, {8, 15, 12}, {16, 23, 20}}));
  EXPECT_EQ(plan({kLlamaCpp, 8, 0, true}, 22).size(), 2u);
  EXPECT_EQ(plan({kLlamaCpp, 5, 0, false}, 5), (Windows{{0, 5, 3}}));
}

TEST(Protocol, RefusesWhatScoresNothing) {
  EXPECT_EQ(refusal({kWindow, 4, 0, false}, 1),
            "the text has 1 tokens, too few to score any");
  EXPECT_EQ(refusal({kWindow, 4, 0, true}, 0),
            "the text has 0 tokens, too few to score any");
  EXPECT_EQ(refusal({kLlamaCpp, 8, 0, false}, 7),
            "the text has 7 tokens, too few to score any in windows of 8");
  EXPECT_EQ(refusal({kWindow, 1, 0, false}, 9),
            "expected windows of at least 2 tokens but got 1");
  EXPECT_EQ(refusal({kWindow, 8, 8, true}, 9),
            "expected a stride of 1 to 7, so that windows of 8 tokens leave "
            "nothing out, but got 8");
}

TEST(Protocol, SaysWhatItIs) {
  EXPECT_EQ(protocolText({kWindow, 8, 0, true}),
            "windows of 8 tokens, stride 7, begin token first in each");
  EXPECT_EQ(protocolText({kWindow, 8, 3, false}),
            "windows of 8 tokens, stride 3, no begin token");
  EXPECT_EQ(protocolText({kLlamaCpp, 512, 0, false}),
            "windows of 512 tokens, second half scored, as llama.cpp does, no "
            "begin token");
}
