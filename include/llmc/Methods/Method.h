//===- Method.h - Ways to compress a matrix --------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A method turns a matrix into one of a given format. It is a line in a table of
// the plugin interface (llmc/Plugin/plugin.h), whoever brings it: those of llmc
// and those of plugins are registered by the same checks and run by the same
// function. Results depend on the request alone: neither on the number of
// threads nor on the processor.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_METHODS_METHOD_H
#define LLMC_METHODS_METHOD_H

#include "llmc/Methods/Matrix.h"
#include "llmc/Methods/Options.h"
#include <deque>

namespace llmc {

/// Where the memory comes from that methods write to. Used by many threads.
class MethodMemory {
public:
  virtual ~MethodMemory() = default;
  /// `bytes`, at least 1, zeroed, at a multiple of 64; null if there are none.
  virtual void *allocate(size_t bytes) = 0;
  virtual void release(void *memory) = 0;
};

/// All that a method is told.
struct MethodRequest {
  MatrixView weight;
  const FormatDescription *format = nullptr;
  /// Of the inputs of the matrix, whatever the transform of the format.
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
  /// Null: the heap.
  MethodMemory *memory = nullptr;
};

/// What a method returns.
struct MethodResult {
  QuantizedMatrix matrix;
  /// What the ledger should say beside the name: why a matrix was treated in
  /// another way than asked, for example. May be empty.
  std::string note;
  /// The method that made it, where it is another one than was asked.
  std::string method;
};

struct Method;

/// Another way to run a method than to call it.
class MethodRunner {
public:
  virtual ~MethodRunner() = default;
  /// For a request that has been checked. Errors are those of runMethod. Used by
  /// many threads.
  virtual llvm::Expected<MethodResult> run(const Method &method,
                                           const MethodRequest &request) = 0;
};

/// One method: what an llmc_method says, checked and copied.
struct Method {
  std::string name, summary;
  std::vector<MethodOption> options;
  /// LLMC_USES_... bits: what makes results better where it is there; and
  /// LLMC_TAKES_VECTORS.
  uint64_t uses = 0;
  int (*run)(const llmc_host *host, llmc_run *run,
             const llmc_job *job) = nullptr;
  /// The file of the plugin; empty for those of llmc.
  std::string plugin;
  /// How it is run; null: by a call.
  MethodRunner *runner = nullptr;
};

/// Methods by name.
class MethodSet {
public:
  /// rtn, sinq, hqq, mse.
  static MethodSet makeBuiltin();

  /// Adds the methods of a table, all or none. Refuses one that does not keep
  /// what plugin.h says, and names that are there already. `file` is that of the
  /// plugin; where it is empty, the methods are those of llmc, without a vendor
  /// in their names. Errors name the member of the table.
  llvm::Error add(const llmc_plugin &plugin, llvm::StringRef file);

  /// Null if there is none. Methods stay where they are.
  const Method *find(llvm::StringRef name) const;
  const std::deque<Method> &getMethods() const { return methods; }
  /// Lets the methods of plugins be run by `runner`, which must outlive the set or
  /// be taken away by null.
  void setRunner(MethodRunner *runner) {
    for (Method &method : methods)
      method.runner = method.plugin.empty() ? nullptr : runner;
  }
  /// "unknown method 'sink'; did you mean 'sinq'?"; `others` are names that
  /// would do, too.
  std::string describeUnknown(llvm::StringRef name,
                              llvm::ArrayRef<llvm::StringRef> others) const;

private:
  std::deque<Method> methods;
};

/// Checks a request, runs it, and checks what came of it: every row must be
/// written. The method is asked for the codes, of what a sparse part leaves, in the
/// order of columns that the format stores (llmc/Methods/ColumnOrder.h); what
/// is added to them is found afterwards (llmc/Methods/LowRank.h, Outliers.h),
/// whatever the method. Errors begin with the name of the weight, and name the
/// method and the file where it is that of a plugin.
llvm::Expected<MethodResult> runMethod(const Method &method,
                                       const MethodRequest &request);

/// The same with a name and settings, as recipes and command lines give them:
/// fills in the format and the options of `request`.
llvm::Expected<MethodResult>
runMethod(const MethodSet &methods, llvm::StringRef method,
          const FormatDescription &format,
          llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings,
          MethodRequest request);
/// The same with the name of a format of llmc.
llvm::Expected<MethodResult>
runMethod(const MethodSet &methods, llvm::StringRef method,
          llvm::StringRef format,
          llvm::ArrayRef<std::pair<llvm::StringRef, llvm::StringRef>> settings,
          MethodRequest request);

/// The scale of columns that the method sinq, with these settings, gives
/// matrices with one input together; empty, with the reason in `note`, where the
/// settings forbid one.
llvm::Expected<std::vector<float>> computeSharedScale(
    llvm::ArrayRef<MatrixView> weights, const FormatDescription &format,
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
