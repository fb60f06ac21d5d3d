//===- SymExpr.h - Symbolic values of dimensions and elements ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Immutable expressions, uniqued in a SymContext: equal expressions are one
// object, so equality is a comparison of pointers. A null SymExpr means "not
// known"; every builder that gets one returns one.
//
// * Integers are polynomials with 64-bit coefficients over atoms: symbols,
//   index variables, floordiv, min, max, select, elements of tensors and opaque
//   functions (a mod b is a - b * floordiv(a, b)). A coefficient that overflows
//   makes the result unknown.
// * Floats speak of real numbers: rounding is not modelled, so they serve to
//   recognize what a graph computes, never to fold it.
// * Booleans are true, false, `p >= 0`, `p == 0`, opaque predicates, and their
//   and, or, not. Comparisons are decided where the bounds of symbols and the
//   extents of index variables suffice.
//
// An index variable i of extent n stands for any 0 <= i < n; where one occurs,
// its extent may be taken to be at least one.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_ANALYSIS_SYMEXPR_H
#define LLMC_ANALYSIS_SYMEXPR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/FoldingSet.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace llmc {

class SymContext;
class SymNode;
struct Monomial;

enum class SymType : uint8_t { Int, Float, Bool };

enum class SymKind : uint8_t {
  Constant,    ///< an integer: getValue()
  Symbol,      ///< a named integer with a lower bound
  Index,       ///< an index variable: operand 0 is its extent
  Polynomial,  ///< a sum of at least two terms, or one with a factor: terms
  FloorDiv,    ///< operand 0 divided by operand 1, rounded down
  Min,         ///< smaller of two
  Max,         ///< larger of two
  Real,        ///< a floating point constant: getReal()
  Bool,        ///< true or false: getValue()
  NonNegative, ///< operand 0 >= 0
  Zero,        ///< operand 0 == 0
  And,         ///< all of the operands
  Or,          ///< one of the operands
  Not,         ///< operand 0 is false
  Select,      ///< operand 1 where operand 0 holds, else operand 2
  Element, ///< an element of a tensor (getHandle(), getName()) at the operands
  Apply,   ///< an opaque function getName() of the operands
  Tuple,   ///< the operands, in order; a key for memo tables
};

/// A reference to a uniqued expression, or null: not known.
class SymExpr {
public:
  SymExpr() = default;
  explicit SymExpr(const SymNode *node) : node(node) {}

  explicit operator bool() const { return node; }
  bool operator==(SymExpr other) const { return node == other.node; }
  bool operator!=(SymExpr other) const { return node != other.node; }
  const SymNode *operator->() const { return node; }
  const SymNode *get() const { return node; }

  SymKind kind() const;
  bool is(SymKind kind) const;
  /// The integer, if this is an integer constant.
  std::optional<int64_t> constant() const;
  bool isConstant(int64_t value) const { return constant() == value; }
  bool isTrue() const;
  bool isFalse() const;
  /// The number, if this is a floating point constant.
  std::optional<double> real() const;
  /// Text such as "past + seq", "2*seq - 1"; "?" where not known.
  std::string str() const;

private:
  const SymNode *node = nullptr;
};

/// One term of a polynomial: coefficient times the product of the factors,
/// which are atoms in the order of their creation, repeated for powers.
struct SymTerm {
  int64_t coefficient;
  llvm::ArrayRef<SymExpr> factors;
};

/// The storage of an expression; see SymKind for what each kind holds.
class SymNode : public llvm::FoldingSetNode {
public:
  SymKind getKind() const { return kind; }
  SymType getType() const { return type; }
  /// Place in the order of creation; orders atoms deterministically.
  unsigned getId() const { return id; }
  /// Largest distance to a leaf; bounded, so recursion over operands is safe.
  unsigned getDepth() const { return depth; }
  int64_t getValue() const { return value; }
  double getReal() const { return real; }
  /// Symbol: the lower bound.
  int64_t getLowerBound() const { return value; }
  /// Element: what the tensor is, for instance the SSA value.
  const void *getHandle() const { return handle; }
  llvm::StringRef getName() const { return name; }
  llvm::ArrayRef<SymExpr> getOperands() const { return operands; }
  SymExpr getOperand(unsigned i) const { return operands[i]; }
  llvm::ArrayRef<SymTerm> getTerms() const { return terms; }

  void Profile(llvm::FoldingSetNodeID &id) const;

private:
  friend class SymContext;
  SymKind kind;
  SymType type;
  unsigned id = 0, depth = 0;
  int64_t value = 0;
  double real = 0;
  const void *handle = nullptr;
  llvm::StringRef name;
  llvm::ArrayRef<SymExpr> operands;
  llvm::ArrayRef<SymTerm> terms;
};

/// Owner of expressions. Not thread-safe: an analysis has its own.
class SymContext {
public:
  SymContext();
  ~SymContext();
  SymContext(const SymContext &) = delete;
  SymContext &operator=(const SymContext &) = delete;

  /// \name Leaves
  /// @{
  SymExpr constant(int64_t value);
  SymExpr real(double value);
  SymExpr boolean(bool value);
  /// The symbol of that name. The lower bound counts when the name is new; a
  /// name `INPUT[i]` is an element of an input, of which nothing is known.
  SymExpr symbol(llvm::StringRef name, int64_t lowerBound = 0);
  /// A symbol with a name that no other has: "prefix0", "prefix1", ...
  SymExpr freshSymbol(llvm::StringRef prefix, int64_t lowerBound = 0);
  /// A new index variable, 0 <= i < extent.
  SymExpr index(llvm::StringRef name, SymExpr extent);
  /// The element at `index` of the tensor that `handle` stands for.
  SymExpr element(const void *handle, llvm::StringRef name, SymType type,
                  llvm::ArrayRef<SymExpr> index);
  /// @}

  /// \name Integers
  /// @{
  SymExpr add(SymExpr a, SymExpr b);
  SymExpr sub(SymExpr a, SymExpr b);
  SymExpr neg(SymExpr a);
  SymExpr mul(SymExpr a, SymExpr b);
  SymExpr floorDiv(SymExpr a, SymExpr b);
  /// Rounded toward zero, as integer division in graphs is.
  SymExpr truncDiv(SymExpr a, SymExpr b);
  SymExpr ceilDiv(SymExpr a, SymExpr b);
  /// With the sign of the divisor.
  SymExpr mod(SymExpr a, SymExpr b);
  SymExpr min(SymExpr a, SymExpr b);
  SymExpr max(SymExpr a, SymExpr b);
  SymExpr sum(llvm::ArrayRef<SymExpr> parts);
  SymExpr product(llvm::ArrayRef<SymExpr> parts);
  /// The polynomial q with a == b * q, or null where there is none.
  SymExpr divideExactly(SymExpr a, SymExpr b);
  /// @}

  /// \name Booleans
  /// @{
  SymExpr lessEqual(SymExpr a, SymExpr b);
  SymExpr less(SymExpr a, SymExpr b);
  SymExpr equal(SymExpr a, SymExpr b);
  SymExpr notEqual(SymExpr a, SymExpr b);
  SymExpr land(SymExpr a, SymExpr b);
  SymExpr lor(SymExpr a, SymExpr b);
  SymExpr lnot(SymExpr a);
  /// @}

  /// \name All types
  /// @{
  SymExpr select(SymExpr condition, SymExpr onTrue, SymExpr onFalse);
  /// To an integer: toward zero; to a boolean: is not zero.
  SymExpr cast(SymExpr a, SymType type);
  /// An opaque function. Float functions that are known by name ("add", "mul",
  /// "neg", "sub", "div", "cos", ...) are folded on constants, and sums and
  /// products are flattened and ordered, so that equal formulas meet.
  SymExpr apply(llvm::StringRef function, SymType type,
                llvm::ArrayRef<SymExpr> operands);
  SymExpr tuple(llvm::ArrayRef<SymExpr> parts);
  /// @}

  /// \name Proofs: true means proved, false means not proved
  /// @{
  bool isNonNegative(SymExpr a);
  bool isPositive(SymExpr a);
  bool isLess(SymExpr a, SymExpr b) { return isPositive(sub(b, a)); }
  bool isLessEqual(SymExpr a, SymExpr b) { return isNonNegative(sub(b, a)); }
  /// @}

  /// Replaces atoms (symbols, index variables, elements, ...) and rebuilds.
  SymExpr substitute(SymExpr a, const llvm::DenseMap<SymExpr, SymExpr> &map);
  /// The integer (booleans: 0 or 1) that `a` is when each symbol and index
  /// variable is what `lookup` says; empty where a part has no value.
  std::optional<int64_t>
  evaluate(SymExpr a,
           llvm::function_ref<std::optional<int64_t>(SymExpr)> lookup) const;
  std::optional<int64_t>
  evaluate(SymExpr a, const llvm::StringMap<int64_t> &symbols) const;
  /// Whether `atom` occurs in `a`.
  bool contains(SymExpr a, SymExpr atom) const;
  /// The coefficient polynomial of `atom` in `a`, and what is left, if `a` is
  /// linear in it: a == first * atom + second.
  std::optional<std::pair<SymExpr, SymExpr>> splitLinear(SymExpr a,
                                                         SymExpr atom);

  /// The expression a dimension's text stands for: integers, names, + - * ( ),
  /// floordiv(a, b), mod(a, b), min(a, b), max(a, b), select(c, a, b) with a
  /// condition c: a >= 0, a == 0, not(c), (c and c), (c or c), true, false. A
  /// text that is no such expression is a symbol by that name.
  SymExpr parse(llvm::StringRef text);

  /// `p >= 0` or `p == 0` as it is; lessEqual and equal decide and normalize.
  SymExpr comparison(SymKind kind, SymExpr p);

private:
  struct Impl;
  struct Builder;
  SymExpr junction(SymKind kind, SymExpr a, SymExpr b);
  SymExpr junctionOf(SymKind kind, llvm::ArrayRef<SymExpr> parts);
  friend SymExpr fromSum(SymContext &, const llvm::SmallVector<Monomial, 4> &);
  std::unique_ptr<Impl> impl;
};

llvm::raw_ostream &operator<<(llvm::raw_ostream &os, SymExpr expr);

} // namespace llmc

template <> struct llvm::DenseMapInfo<llmc::SymExpr> {
  using Pointer = DenseMapInfo<const llmc::SymNode *>;
  static llmc::SymExpr getEmptyKey() {
    return llmc::SymExpr(Pointer::getEmptyKey());
  }
  static llmc::SymExpr getTombstoneKey() {
    return llmc::SymExpr(Pointer::getTombstoneKey());
  }
  static unsigned getHashValue(llmc::SymExpr expr) {
    return Pointer::getHashValue(expr.get());
  }
  static bool isEqual(llmc::SymExpr a, llmc::SymExpr b) { return a == b; }
};

#endif // LLMC_ANALYSIS_SYMEXPR_H
