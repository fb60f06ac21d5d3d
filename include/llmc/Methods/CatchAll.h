//===- CatchAll.h - Where exceptions of others end -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_CATCHALL_H
#define LLMC_METHODS_CATCHALL_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <optional>
#include <string>

namespace llmc {

/// Calls `body`, which runs code of a plugin; the text of an exception that comes
/// out of it, for people. llmc is built without exceptions: nothing between here
/// and there is cleaned up.
std::optional<std::string> catchAll(llvm::function_ref<void()> body);

} // namespace llmc

#endif // LLMC_METHODS_CATCHALL_H
