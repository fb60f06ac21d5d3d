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

/// Registers llmc's passes and the upstream passes of its pipelines by name.
void registerAllPasses();

} // namespace llmc

#endif // LLMC_DRIVER_REGISTRATION_H
