//===- Method.h - Ways to compress a matrix --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A method turns a matrix into one of a given format. It is a line in a table,
// as a plugin's will be: a name, options, the statistics it makes use of, and a
// function. Results depend on the request alone: neither on the number of
// threads nor on the processor.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_METHOD_H
#define LLMC_METHODS_METHOD_H

#include "llmc/Methods/Matrix.h"
#include "llmc/Methods/Options.h"

namespace llmc {

/// All that a method is told.
struct MethodRequest {
  MatrixView weight;
  const FormatDescription *format = nullptr;
  Statistics statistics;
  const Options *options = nullptr;
  /// The scale of columns, if it is already known (of several matrices with the
  /// same input, say): the method compresses the matrix with column k divided
  /// by columnScale[k] and returns the scale in its result. Positive numbers.
  llvm::ArrayRef<float> columnScale;
  /// Null: on the calling thread.
  ParallelFor parallelFor = nullptr;
  /// Told the part that is done, 0 to 1, from any thread, one at a time; what it
  /// answers is whether to go on. May be null.
  llvm::function_ref<bool(double)> progress = nullptr;
};

/// What a method returns.
struct MethodResult {
  QuantizedMatrix matrix;
  /// What the ledger should say beside the name: why a matrix was treated in
  /// another way than asked, for example. May be empty.
  std::string note;
};

/// Kinds of statistics, as bits.
enum StatisticKind : unsigned {
  kMeanAbsolute = 1,
  kMeanSquare = 2,
  kGram = 4,
};

/// One method.
struct Method {
  llvm::StringLiteral name;
  llvm::StringLiteral summary;
  llvm::ArrayRef<OptionSpec> options;
  /// StatisticKind bits: what makes results better where it is there.
  unsigned uses;
  llvm::Expected<MethodResult> (*run)(const MethodRequest &request);
};

/// rtn, sinq, hqq, mse.
llvm::ArrayRef<Method> getMethods();
/// Null if there is none.
const Method *findMethod(llvm::StringRef name);

/// Checks a request and runs it. Errors begin with the name of the weight.
llvm::Expected<MethodResult> runMethod(const Method &method,
                                       const MethodRequest &request);

/// The same with names and settings, as recipes and command lines give them:
/// fills in the format and the options of `request`.
llvm::Expected<MethodResult>
runMethod(llvm::StringRef method, llvm::StringRef format,
          llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings,
          MethodRequest request);

/// The scale of columns that the method sinq, with these settings, gives
/// matrices with one input together; empty, with the reason in `note`, where the
/// settings forbid one.
llvm::Expected<std::vector<float>> computeSharedScale(
    llvm::ArrayRef<MatrixView> weights, llvm::StringRef format,
    llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings,
    ParallelFor parallelFor, std::string &note);

/// How far a compressed matrix is from the original.
struct ReconstructionError {
  /// Sums over all weights: of squared differences, and of squares.
  double squaredError = 0, squaredNorm = 0;
  /// The largest absolute difference.
  double largest = 0;

  /// sqrt(squaredError / squaredNorm); 0 where both are 0.
  double getRelative() const;
};

/// Decodes the matrix and compares, with column scales and without anything
/// about inputs.
ReconstructionError measureError(const MatrixView &weight,
                                 const QuantizedMatrix &matrix,
                                 ParallelFor parallelFor = nullptr);

} // namespace llmc

#endif // LLMC_METHODS_METHOD_H
