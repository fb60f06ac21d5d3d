//===- SymExprImpl.h - What the parts of SymContext share -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_ANALYSIS_SYMEXPRIMPL_H
#define LLMC_LIB_ANALYSIS_SYMEXPRIMPL_H

#include "llmc/Analysis/SymExpr.h"

namespace llmc {

/// Bounds that keep hostile graphs from growing expressions without end; what
/// passes one is not known.
constexpr unsigned kMaxTerms = 128;
constexpr unsigned kMaxDegree = 12;
constexpr unsigned kMaxDepth = 256;
constexpr unsigned kMaxOperands = 64;

/// A monomial under construction.
struct Monomial {
  llvm::SmallVector<SymExpr, 4> factors; // by id
  int64_t coefficient;
};
/// A sum under construction; normalized: sorted, merged, no zero coefficient.
using Sum = llvm::SmallVector<Monomial, 4>;

struct SymContext::Impl {
  llvm::BumpPtrAllocator allocator;
  llvm::FoldingSet<SymNode> nodes;
  llvm::StringMap<SymExpr> symbols;
  llvm::DenseMap<SymExpr, bool> nonNegative;
  unsigned nextId = 0;
  int64_t nextIndex = 0;
  unsigned nextFresh = 0;
  SymExpr yes, no;
};

/// Fields of a node to be found or made.
struct SymContext::Builder {
  SymKind kind;
  SymType type;
  int64_t value = 0;
  double real = 0;
  const void *handle = nullptr;
  llvm::StringRef name = {};
  llvm::ArrayRef<SymExpr> operands = {};
  llvm::ArrayRef<SymTerm> terms = {};

  /// The one node with these fields; null when it would be too deep.
  SymExpr get(SymContext &context) const;
};

/// Order of monomials: by degree, the higher first, then by the ids of their
/// factors. It is compatible with multiplication, so division by leading terms
/// ends.
bool precedes(llvm::ArrayRef<SymExpr> a, llvm::ArrayRef<SymExpr> b);
Sum toSum(SymExpr expr);
/// Null when it is too large; `sum` is normalized.
SymExpr fromSum(SymContext &context, const Sum &sum);
/// Adds factor * addend to `sum`; false on overflow.
bool addTo(Sum &sum, const Sum &addend, int64_t factor);
/// The product; empty optional on overflow or when it is too large.
std::optional<Sum> multiply(const Sum &a, const Sum &b);
/// Divides by the leading term of `b` for as long as it divides a term; what it
/// does not divide is left in the remainder: a == b * quotient + remainder.
struct Division {
  Sum quotient, remainder;
};
std::optional<Division> divide(const Sum &a, const Sum &b);

int64_t floorDivide(int64_t a, int64_t b); // b > 0
bool isZero(SymExpr expr);

/// Whether every term's factors have only bounded parts: distributing
/// conditions over the selects of one expression is worth it up to this many.
constexpr unsigned kMaxSelects = 3;

} // namespace llmc

#endif // LLMC_LIB_ANALYSIS_SYMEXPRIMPL_H
