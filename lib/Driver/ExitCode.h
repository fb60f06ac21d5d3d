//===- ExitCode.h - How the programs end -----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_EXITCODE_H
#define LLMC_LIB_DRIVER_EXITCODE_H

namespace llmc {

/// Exit codes of the programs, where the compiler is at work; Blame has the same
/// for the runtime.
enum ExitCode {
  Done = 0,
  /// The model, or a plugin that is checked.
  ModelAtFault = 1,
  UsageAtFault = 2,
  MachineAtFault = 3
};

} // namespace llmc

#endif // LLMC_LIB_DRIVER_EXITCODE_H
