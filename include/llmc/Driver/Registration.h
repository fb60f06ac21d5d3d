//===- Registration.h - Everything llmc brings, in one call -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DRIVER_REGISTRATION_H
#define LLMC_DRIVER_REGISTRATION_H

namespace mlir {
class DialectRegistry;
}

namespace llmc {

/// Adds llmc's dialects, the upstream dialects they lower to, and the interface
/// implementations that bufferization and translation need.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers llmc's passes and the upstream passes of its pipelines by name, once
/// in a process.
void registerAllPasses();

/// The program llmc-opt: `--plugin FILE` and LLMC_PLUGIN_PATH load plugins, whose
/// passes are options then; the rest is MLIR's. Returns the exit code, 2 where a
/// plugin cannot be used.
int optMain(int argc, char **argv);

} // namespace llmc

#endif // LLMC_DRIVER_REGISTRATION_H
