//===- Sandbox.h - Methods of plugins in processes of their own -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_SANDBOX_H
#define LLMC_PLUGIN_SANDBOX_H

#include "llmc/Plugin/PluginSet.h"
#include <memory>
#include <mutex>

namespace llmc {

/// What a method may take for one matrix.
struct SandboxLimits {
  int64_t seconds = 600;
  /// MiB of memory, beside the matrix and what becomes of it.
  int64_t megabytes = 4096;
};

/// Runs the methods of plugins in processes of their own, with the matrix and its
/// result in shared memory. A process goes on with the next matrix if all went
/// well. A method that crashes, ends the program or goes beyond a limit costs that
/// matrix, which `rtn` compresses instead, with the
/// reason in the result. Errors of a method stay errors, and results are the same
/// bytes as without a sandbox.
///
/// The processes are forked from one that begins with the sandbox, while this one
/// has a single thread, so that no lock is held in them that nobody will release.
class Sandbox final : public MethodRunner {
public:
  /// Knows the methods and formats that are in the set by now, which must stay. `threads` is
  /// how many a method may use. Fails where this process has other threads.
  static llvm::Expected<std::unique_ptr<Sandbox>>
  start(const PluginSet &plugins, SandboxLimits limits, unsigned threads);
  ~Sandbox() override;

  /// Used by many threads.
  llvm::Expected<MethodResult> run(const Method &method,
                                   const MethodRequest &request) override;

  /// What went wrong by now: a line for each matrix, in their order by name.
  std::vector<std::string> getFaults() const;

private:
  struct Segment;

  Sandbox(const PluginSet &plugins, SandboxLimits limits, int control,
          int process);
  std::unique_ptr<Segment> takeSegment(size_t bytes);
  void giveBack(std::unique_ptr<Segment> segment);
  llvm::Error startRunner(Segment &segment);
  llvm::Expected<std::string>
  await(Segment &segment, const MethodRequest &request, bool &stopped);
  std::string describeMemory() const;
  llvm::Expected<MethodResult> replace(const std::string &prefix,
                                       const std::string &reason,
                                       MethodRequest request);

  const PluginSet &plugins;
  const SandboxLimits limits;
  /// Of the process that forks.
  const int control, process;
  mutable std::mutex mutex;
  uint64_t runners = 0;
  /// Shared memory that nobody uses, with the runners that wait for it.
  std::vector<std::unique_ptr<Segment>> idle;
  std::vector<std::string> faults;
};

} // namespace llmc

#endif // LLMC_PLUGIN_SANDBOX_H
