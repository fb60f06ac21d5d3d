//===- Proofs.h - What a graph computes, proved by elements -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Exporters write causal masks, positions, repeated heads and rotary angles in
// ways that no op pattern covers. These functions ask SymbolicElements for one
// general element and compare it with what is to be proved.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_ANALYSIS_PROOFS_H
#define LLMC_ANALYSIS_PROOFS_H

#include "llmc/Analysis/SymbolicElements.h"

namespace llmc {

/// What query q of S may see of key k of T. Both absent: everything.
struct MaskProof {
  /// k <= q + (T - S): the rows are aligned at the end.
  bool causal = false;
  /// k > q + (T - S) - window.
  std::optional<int64_t> window;
  bool alwaysVisible() const { return !causal && !window; }
};

/// Proves what `mask` hides. It broadcasts to [batch, heads, S, T], `queries`
/// is S and `keys` is T; true is visible, or, of a float mask that is added, 0
/// is visible and -1e4 or less is not. Empty where the mask is something else.
std::optional<MaskProof> proveMask(SymbolicElements &elements, mlir::Value mask,
                                   SymExpr queries, SymExpr keys);

/// value[i...] == source[j...], where j is i with its axes permuted and the
/// one of the heads divided (rounded down) by `repeat`.
struct RepeatProof {
  mlir::Value source;
  /// Times each head of the source stands side by side; 1: a permutation.
  int64_t repeat = 1;
  /// Axis a of the source is axis perm[a] of the value.
  llvm::SmallVector<int64_t> perm;
};

/// Proves that `value` repeats the heads (its axis `heads`) of another tensor
/// of the same rank; the source is the first on the way back for which a repeat
/// of more than one shows. Empty where there is none.
std::optional<RepeatProof> proveRepeatHeads(SymbolicElements &elements,
                                            mlir::Value value, int64_t heads);

/// value[..., t, j] == scale * cos(position(t) * frequency(j)), or sin.
struct RotaryProof {
  bool sine = false;
  double scale = 1;
  /// The position of row t, over `row`, `batch` and elements of entry tensors.
  SymExpr position;
  /// The index variables in `position`; `batch` is null or 0 where the value
  /// has one row of tables for the whole batch.
  SymExpr row, batch;
  /// The tensor of frequencies (a weight or constant), and the axis along
  /// which j runs.
  mlir::Value frequencies;
  /// Element of the frequencies at j: SymKind::Element over `column`.
  SymExpr frequency, column;
  /// Number of different frequencies; the last extent is once or twice this
  /// (twice: the second half repeats the first).
  int64_t count = 0;
  bool doubled = false;
};

/// Proves that `value` holds cosines or sines of rotary angles. `rowAxis` is
/// the axis of time; the last axis is that of the channels.
std::optional<RotaryProof> proveRotaryAngle(SymbolicElements &elements,
                                            mlir::Value value, int64_t rowAxis);

/// Proves value[..., t] == offset + t along the last axis, for every batch; the
/// offset is returned. `value` is a tensor of integers.
SymExpr provePositions(SymbolicElements &elements, mlir::Value value);

} // namespace llmc

#endif // LLMC_ANALYSIS_PROOFS_H
