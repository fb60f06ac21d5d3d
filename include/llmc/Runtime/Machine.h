//===- Machine.h - What this process may use of the machine ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_MACHINE_H
#define LLMC_RUNTIME_MACHINE_H

#include <cstdint>
#include <string>

namespace llmc {

/// Bytes of the largest cache of the first processor; 32 MiB when unknown.
uint64_t lastLevelCacheBytes();

/// Name of the processor as the system reports it.
std::string processorName();

} // namespace llmc

#endif // LLMC_RUNTIME_MACHINE_H
