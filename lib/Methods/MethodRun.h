//===- MethodRun.h - One run of a method -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_METHODS_METHODRUN_H
#define LLMC_LIB_METHODS_METHODRUN_H

#include "llmc/Methods/Method.h"

namespace llmc {

/// Whether a matrix can be divided by it, and multiplied.
bool isColumnScale(float scale);

/// What is known of the inputs of the matrix that is stored. Without a transform
/// that is what the request says. Under one, means of single columns say nothing
/// of what they are mixed to; from the Gram matrix all follows, where the scale of
/// columns is known, which comes before the transform: methods multiply by that
/// scale what they are told.
struct StoredStatistics : Statistics {
  explicit StoredStatistics(const MethodRequest &request);

private:
  std::vector<float> ownSquares, ownGram;
};

/// Calls the function of the table, for a request that has been checked. Errors
/// name neither the weight nor the method.
llvm::Expected<MethodResult> runTable(const Method &method,
                                      const MethodRequest &request);

} // namespace llmc

#endif // LLMC_LIB_METHODS_METHODRUN_H
