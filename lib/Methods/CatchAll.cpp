//===- CatchAll.cpp - Where exceptions of others end ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one unit of the compiler that is built with exceptions.
//
//===----------------------------------------------------------------------===//
#include "llmc/Methods/CatchAll.h"
#include <exception>

std::optional<std::string> llmc::catchAll(llvm::function_ref<void()> body) {
  try {
    body();
    return std::nullopt;
  } catch (const std::exception &error) {
    return std::string("threw an exception: ") + error.what();
  } catch (...) {
    return "threw an exception that says nothing";
  }
}
