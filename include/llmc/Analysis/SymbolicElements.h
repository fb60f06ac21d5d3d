//===- SymbolicElements.h - The value of any element of any tensor -*- C++
//-*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one analysis that everything asks: what an extent is as a polynomial over
// the entry's symbols, and what any element of any tensor is, as an expression
// over symbols, index variables, and elements of arguments and weights. Both
// are found lazily and remembered. Shape inference, classification of reshapes,
// masks, positions, repeated heads and rotary angles are proved with it.
//
// It looks at the IR as it is when asked and keeps no track of changes: after
// an op on the way of an answer is changed or erased, use a new object (values
// that are only added do no harm).
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_ANALYSIS_SYMBOLICELEMENTS_H
#define LLMC_ANALYSIS_SYMBOLICELEMENTS_H

#include "llmc/Analysis/SymExpr.h"
#include "mlir/IR/Operation.h"
#include "mlir/IR/Value.h"
#include <functional>
#include <memory>

namespace llmc {

using SymIndex = llvm::SmallVector<SymExpr, 4>;

/// An extent (or a number of elements) that was assumed to equal another,
/// because ops broadcast, join or reshape the two and nothing proves it.
struct SymAssumption {
  SymExpr a, b;
  mlir::Operation *op;
  /// Nothing is wrong either where b is one, as in the target of an expansion.
  bool orOne = false;
};

/// An element of a tensor: which tensor, and where in it.
struct ElementSource {
  mlir::Value value;
  SymIndex index;
};

class SymbolicElements {
public:
  /// Computes an element of a bound value.
  using Binding = std::function<SymExpr(llvm::ArrayRef<SymExpr>)>;

  /// `scope` is a function, or any op whose regions take tensors as arguments.
  /// The names of its symbols come from the attributes `nn.dims` and
  /// `nn.symbol` of its arguments.
  explicit SymbolicElements(mlir::Operation *scope);
  ~SymbolicElements();

  SymContext &context();

  /// The extents of a ranked tensor; every one is known, if only as a new
  /// symbol.
  llvm::ArrayRef<SymExpr> shape(mlir::Value value);
  SymExpr dim(mlir::Value value, int64_t axis) { return shape(value)[axis]; }

  /// The element at `index`, one entry per axis, each assumed to be inside the
  /// extent. What no rule covers is an element of its tensor
  /// (SymKind::Element whose handle is the value); null is returned only where
  /// numbers overflow or the budget of the query is spent.
  SymExpr element(mlir::Value value, llvm::ArrayRef<SymExpr> index);

  /// All elements of a tensor of static shape with at most `limit` elements,
  /// in row-major order; empty where that is not so or one is null.
  std::optional<llvm::SmallVector<SymExpr>> elements(mlir::Value value,
                                                     int64_t limit = 4096);

  /// The integers of a tensor all of whose elements are integer constants.
  std::optional<llvm::SmallVector<int64_t>> constants(mlir::Value value,
                                                      int64_t limit = 4096);

  /// A scalar of type index, or an integer that one was converted to.
  SymExpr index(mlir::Value value);

  /// Fresh index variables, one per axis ("i0", "i1", ...); 0 for an axis of
  /// extent one.
  SymIndex freshIndex(mlir::Value value);

  /// Where the element comes from one step back through ops that only move
  /// elements (reshape, transpose, slice, gather, expand, concat where the part
  /// is decided, ...); empty where `value` is not the result of one.
  std::optional<ElementSource> traceStep(const ElementSource &element);
  /// As many steps as there are.
  ElementSource trace(mlir::Value value, llvm::ArrayRef<SymExpr> index);

  /// From here on the elements of `value` are what `binding` says. For stating
  /// a policy ("the mask is ones") before it is written into the IR.
  void bind(mlir::Value value, Binding binding);

  /// Extents that were assumed to be equal so far.
  llvm::ArrayRef<SymAssumption> assumptions() const;

  /// How many elements were computed so far.
  uint64_t evaluations() const;

  /// Whether the element type counts as integer, float or boolean.
  static SymType typeOf(mlir::Type elementType);

  struct Impl;

private:
  std::unique_ptr<Impl> impl;
};

} // namespace llmc

#endif // LLMC_ANALYSIS_SYMBOLICELEMENTS_H
