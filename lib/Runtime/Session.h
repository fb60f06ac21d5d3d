//===- Session.h - What a session consists of -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_RUNTIME_SESSION_H
#define LLMC_LIB_RUNTIME_SESSION_H

#include "Memory.h"
#include "Model.h"

namespace llmc {

/// An input, output or state with its memory.
struct Slot {
  const TensorSpec *spec = nullptr;
  std::vector<int64_t> extents;
  Memory memory;
  /// An input has values, an output comes from a run.
  bool filled = false;
  /// For C callers; the pointers refer to the vectors beside it.
  llmc_signature signature = {};
  std::vector<int64_t> fixedExtents;
  std::vector<const char *> formulas;
};

/// Where the value of a symbol comes from.
struct Binding {
  enum Kind { Unbound, Extent, Element, Position, Context, LogitRows } kind;
  /// Of the input, and of its axis or element.
  size_t input = 0;
  int64_t index = 0;
};

} // namespace llmc

struct llmc_session {
  llmc_model *model = nullptr;
  const llmc::EntrySpec *entry = nullptr;
  llmc::EntryCode code;
  unsigned threads = 1;
  std::vector<llmc::Slot> inputs, outputs;
  /// One block; states lie in it one after the other.
  llmc::Memory states;
  std::vector<void *> buffers;
  std::vector<int64_t> symbols, dims;
  std::vector<llmc::Binding> bindings;
  /// Parallel to symbols: set by the caller.
  std::vector<bool> chosen;
  llmc::Memory arena;
  uint64_t stateBytes = 0, arenaBytes = 0;
  int64_t position = 0, context = 0;
  int seq = -1, past = -1, logitRows = -1;
};

#endif // LLMC_LIB_RUNTIME_SESSION_H
