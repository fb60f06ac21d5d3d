//===- LeaveOut.h - How to go on without a weight ---------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_LEAVEOUT_H
#define LLMC_LIB_EXPORT_LEAVEOUT_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace llmc {

/// The end of an error about a weight that cannot be written.
inline std::string leaveOut(llvm::StringRef weight) {
  return ("; a rule {match: '" + weight + "', method: keep} leaves it as it is")
      .str();
}

} // namespace llmc

#endif // LLMC_LIB_EXPORT_LEAVEOUT_H
