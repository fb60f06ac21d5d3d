//===- Model.h - What an open model consists of ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_RUNTIME_MODEL_H
#define LLMC_LIB_RUNTIME_MODEL_H

#include "llmc/Runtime/Manifest.h"
#include "llmc/Runtime/MappedFile.h"
#include "llmc/Runtime/Team.h"
#include "llmc/Runtime/abi.h"
#include "llmc/Runtime/llmc.h"
#include <memory>
#include <string>
#include <vector>

struct llmc_error {
  llmc::Fault fault;
};

namespace llmc {

/// The functions of one entry.
struct EntryCode {
  llmc_run_fn run = nullptr;
  llmc_arena_fn arena = nullptr;
  llmc_shape_fn shape = nullptr;
  /// Null where the code has none.
  llmc_replay_fn replay = nullptr;
};

/// Stores `fault` for a C caller.
void report(Fault fault, llmc_error **error);

} // namespace llmc

struct llmc_model {
  ~llmc_model();

  std::string folder;
  llmc::Manifest manifest;
  llmc::MappedFile weightsFile;
  /// First byte of the data section.
  const uint8_t *weights = nullptr;
  uint64_t weightBytes = 0;
  void *library = nullptr;
  /// Parallel to manifest.entries.
  std::vector<llmc::EntryCode> code;
  std::unique_ptr<llmc::Team> team;
  int64_t maxContext = 0;
};

#endif // LLMC_LIB_RUNTIME_MODEL_H
