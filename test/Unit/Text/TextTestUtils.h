//===- TextTestUtils.h - Golden data and small helpers --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Golden data is made by make_golden.py.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_TEXTTESTUTILS_H
#define LLMC_TEST_TEXTTESTUTILS_H

#include "llmc/Text/Text.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

namespace llmc {

inline std::string readInput(const std::string &file) {
  auto buffer =
      llvm::MemoryBuffer::getFile(std::string(LLMC_TEXT_INPUTS "/") + file);
  if (!buffer) {
    ADD_FAILURE() << file << ": " << buffer.getError().message();
    return {};
  }
  return (*buffer)->getBuffer().str();
}

inline const llvm::json::Object &golden() {
  static llvm::json::Value value =
      llvm::cantFail(llvm::json::parse(readInput("golden.json")));
  return *value.getAsObject();
}

/// The value, or a failed expectation and a default.
template <typename T> T require(llvm::Expected<T> value) {
  if (value)
    return std::move(*value);
  ADD_FAILURE() << llvm::toString(value.takeError());
  return T();
}

/// The error's text; a value is a failed expectation.
template <typename T> std::string errorOf(llvm::Expected<T> value) {
  if (!value)
    return llvm::toString(value.takeError());
  ADD_FAILURE() << "expected an error";
  return {};
}

inline bool contains(llvm::StringRef text, llvm::StringRef part) {
  return text.contains(part);
}

} // namespace llmc

#endif // LLMC_TEST_TEXTTESTUTILS_H
