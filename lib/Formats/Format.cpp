//===- Format.cpp - What the values of a compressed matrix are ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Format.h"
#include "llmc/Formats/Hadamard.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <utility>

using namespace llvm;
using namespace llmc;

int64_t llmc::getRealBytes(RealType type) {
  switch (type) {
  case RealType::None:
    return 0;
  case RealType::F32:
    return 4;
  case RealType::F16:
  case RealType::BF16:
    return 2;
  }
  llvm_unreachable("no such real");
}

int64_t llmc::getCodeBits(ScaleCode code) {
  switch (code) {
  case ScaleCode::None:
    return 0;
  case ScaleCode::U4:
    return 4;
  case ScaleCode::U6:
    return 6;
  case ScaleCode::U8:
  case ScaleCode::I8:
  case ScaleCode::E8M0:
  case ScaleCode::UE4M3:
    return 8;
  }
  llvm_unreachable("no such scale code");
}

Levels Levels::make(ArrayRef<int8_t> levels, bool vectors) {
  Levels result;
  for (auto [code, level] : enumerate(levels))
    if (vectors || level != levels[0] + static_cast<int>(code)) {
      result.table.assign(levels.begin(), levels.end());
      return result;
    }
  result.offset = int{levels[0]};
  return result;
}

int FormatDescription::getLowestLevel(unsigned term) const {
  const Levels &levels = terms[term].levels;
  return levels.table.empty() ? levels.offset : *min_element(levels.table);
}

int FormatDescription::getHighestLevel(unsigned term) const {
  const Levels &levels = terms[term].levels;
  return levels.table.empty()
             ? static_cast<int>(getCodeCount()) - 1 + levels.offset
             : *max_element(levels.table);
}

int64_t FormatDescription::getGroups(int64_t columns) const {
  return isDense() ? 0 : divideCeil(columns, getGroupColumns(columns));
}

int64_t FormatDescription::getReals(const ScaleChain &chain,
                                    int64_t columns) const {
  if (chain.real == RealType::None)
    return 0;
  switch (chain.span) {
  case RealSpan::Row:
    return 1;
  case RealSpan::Block:
    return divideCeil(columns, kBlockColumns);
  case RealSpan::Group:
    return getGroups(columns);
  }
  llvm_unreachable("no such span");
}

int64_t FormatDescription::getRealOfGroup(const ScaleChain &chain,
                                          int64_t group) const {
  switch (chain.span) {
  case RealSpan::Row:
    return 0;
  case RealSpan::Block:
    return group / (kBlockColumns / groupSize);
  case RealSpan::Group:
    return group;
  }
  llvm_unreachable("no such span");
}

SmallVector<ScaleChain, 2> FormatDescription::getChains() const {
  SmallVector<ScaleChain, 2> chains;
  for (const Term &term : terms)
    chains.push_back(term.scale);
  if (hasMinimum)
    chains.push_back(minimum);
  return chains;
}

int64_t FormatDescription::getSparseCount(int64_t columns) const {
  if (sparse == 0)
    return 0;
  // Thousands apart from the rest, so that nothing overflows.
  int64_t rest = (columns % 1000 * sparse + 500) / 1000;
  return std::max<int64_t>(1, columns / 1000 * sparse + rest);
}

FormatDescription FormatDescription::withoutSides() const {
  FormatDescription format = *this;
  if (std::exchange(format.rank, 0))
    format.name = StringRef(name).rsplit(".lr").first.str();
  if (std::exchange(format.sparse, 0))
    format.name = StringRef(name).rsplit(".sp").first.str();
  return format;
}

bool FormatDescription::operator==(const FormatDescription &other) const {
  return indexBits == other.indexBits &&
         weightsPerIndex == other.weightsPerIndex && dense == other.dense &&
         terms == other.terms && hasMinimum == other.hasMinimum &&
         (!hasMinimum || minimum == other.minimum) &&
         groupSize == other.groupSize && hadamard == other.hadamard &&
         permuted == other.permuted && rank == other.rank &&
         sparse == other.sparse;
}

FormatDescription FormatDescription::getStored() const {
  FormatDescription stored = *this;
  stored.hadamard = 0;
  stored.permuted = false;
  StringRef name = this->name;
  if (hadamard)
    name.consume_back(getHadamardName(hadamard));
  if (permuted)
    name.consume_back(".p");
  stored.name = name.str();
  return stored;
}

//===----------------------------------------------------------------------===//
// Verification
//===----------------------------------------------------------------------===//

/// Of formats of vectors alone.
static Error verifyVectors(const FormatDescription &format) {
  unsigned weights = format.weightsPerIndex;
  if (weights != 2 && weights != 4 && weights != 8)
    return createStringError("expected codes of 1, 2, 4 or 8 weights but got " +
                             Twine(weights));
  if (format.indexBits % weights != 0)
    return createStringError("expected the bits of a code to be a multiple of "
                             "its " +
                             Twine(weights) + " weights but got " +
                             Twine(format.indexBits));
  for (const Term &term : format.terms) {
    if (term.levels.table.empty())
      return createStringError("expected a table of levels under codes of " +
                               Twine(weights) + " weights");
    if (!term.levels.function.empty())
      return createStringError(
          "expected no function of levels under codes of " + Twine(weights) +
          " weights: a function has one level for a code");
  }
  return Error::success();
}

static Error verifyChain(const FormatDescription &format,
                         const ScaleChain &chain) {
  if (chain.real == RealType::None && chain.code == ScaleCode::None)
    return createStringError("expected a scale chain with a real or a code");
  if (chain.ofScale) {
    bool isMinimum = format.hasMinimum && &chain == &format.minimum;
    bool isInteger = chain.code == ScaleCode::U4 ||
                     chain.code == ScaleCode::U6 ||
                     chain.code == ScaleCode::U8 || chain.code == ScaleCode::I8;
    if (!isMinimum || !isInteger || !chain.negated ||
        chain.real != RealType::None || format.terms.size() != 1)
      return createStringError("expected zero points to be integers that stand "
                               "for the minimum of a format of one term");
  }
  if (chain.code == ScaleCode::None && chain.span != RealSpan::Group)
    return createStringError("expected a scale chain of a real for each row or "
                             "block to have a code");
  if (chain.span == RealSpan::Block &&
      (format.groupSize == 0 || kBlockColumns % format.groupSize != 0))
    return createStringError(
        "expected a group that divides " + Twine(kBlockColumns) +
        " under a scale chain with a real for each block, but got " +
        (format.groupSize ? Twine(format.groupSize) : Twine("the whole row")));
  return Error::success();
}

Error llmc::verify(const FormatDescription &format) {
  if (format.hadamard && !isHadamardSize(format.hadamard))
    return createStringError("expected a Hadamard transform of 16, 32, 64, 128 "
                             "or 256 columns but got " +
                             Twine(format.hadamard));
  if (format.isDense()) {
    if (format.hadamard)
      return createStringError("expected a dense format without a Hadamard "
                               "transform: it has no groups that outliers "
                               "could be spread over");
    if (format.indexBits != 8 * getRealBytes(format.dense))
      return createStringError(
          "expected " + Twine(8 * getRealBytes(format.dense)) +
          " bits of a dense format but got " + Twine(format.indexBits));
    if (!format.terms.empty() || format.hasMinimum || format.groupSize != 0 ||
        format.hasSides() || format.permuted || format.isVector())
      return createStringError("expected a dense format without terms, "
                               "minimum, groups, order of columns, rank, "
                               "sparse part and vectors");
    return Error::success();
  }
  if (format.indexBits < 1 || format.indexBits > 8 || format.indexBits == 7)
    return createStringError("expected codes of 1 to 6 or 8 bits but got " +
                             Twine(format.indexBits));
  if (format.groupSize < 0 || format.groupSize % 16 != 0)
    return createStringError("expected groups of a multiple of 16 columns but "
                             "got " +
                             Twine(format.groupSize));
  if ((format.rank != 0) + (format.hadamard != 0) + (format.sparse != 0) +
          format.permuted >
      1)
    return createStringError("expected a Hadamard transform, an order of "
                             "columns, a rank or a sparse part, not several "
                             "of them");
  if (format.rank < 0 || format.rank > kMaxRank)
    return createStringError("expected a rank of at most " + Twine(kMaxRank) +
                             " but got " + Twine(format.rank));
  if (format.sparse < 0 || format.sparse > kMaxSparse)
    return createStringError("expected a sparse part of at most " +
                             Twine(kMaxSparse) + " of 1,000 weights but got " +
                             Twine(format.sparse));
  if (format.terms.empty() || format.terms.size() > kMaxTerms)
    return createStringError("expected 1 to " + Twine(kMaxTerms) +
                             " terms but got " + Twine(format.terms.size()));
  if (format.isVector())
    if (Error error = verifyVectors(format))
      return error;
  for (auto [index, term] : enumerate(format.terms)) {
    if (!term.levels.table.empty() &&
        term.levels.table.size() != format.getLevelCount())
      return createStringError(
          "expected a table of " + Twine(format.getLevelCount()) +
          " levels but got " + Twine(term.levels.table.size()));
    if (format.getLowestLevel(index) < -128 ||
        format.getHighestLevel(index) > 127)
      return createStringError("expected levels inside -128 to 127 but got " +
                               Twine(format.getLowestLevel(index)) + " to " +
                               Twine(format.getHighestLevel(index)));
  }
  for (const Term &term : format.terms)
    if (Error error = verifyChain(format, term.scale))
      return error;
  if (format.hasMinimum)
    if (Error error = verifyChain(format, format.minimum))
      return error;
  // The range of levels with a minimum that is not above 0 must begin at 0.
  if (format.hasMinimum && format.minimum.negated && !format.minimum.ofScale &&
      format.getLowestLevel() < 0)
    return createStringError(
        "expected levels from 0 under a minimum that is subtracted but got " +
        Twine(format.getLowestLevel()) +
        "; a minimum of f16, bf16, f32 or i8 has a sign");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// For people
//===----------------------------------------------------------------------===//

static void describeChain(raw_ostream &out, const ScaleChain &chain,
                          StringRef group) {
  static constexpr StringLiteral reals[] = {"none", "f32", "f16", "bf16"},
                                 codes[] = {"none", "u4",   "u6",   "u8",
                                            "i8",   "e8m0", "ue4m3"};
  if (chain.negated)
    out << "-1 * ";
  if (chain.ofScale)
    out << "the scale * ";
  if (chain.real != RealType::None) {
    out << reals[static_cast<int>(chain.real)] << " for each ";
    out << (chain.span == RealSpan::Row     ? StringRef("row")
            : chain.span == RealSpan::Block ? StringRef("256 columns")
                                            : group);
  }
  if (chain.real != RealType::None && chain.code != ScaleCode::None)
    out << " * ";
  if (chain.code != ScaleCode::None)
    out << codes[static_cast<int>(chain.code)] << " for each " << group;
  out << '\n';
}

std::string llmc::describe(const FormatDescription &format) {
  std::string text;
  raw_string_ostream out(text);
  out << "name:     " << format.name << '\n';
  if (format.isDense()) {
    out << "values:   every number by itself, in " << format.indexBits
        << " bits\n";
    return text;
  }
  std::string group =
      format.groupSize ? "group of " + std::to_string(format.groupSize) : "row";
  out << "codes:    " << format.indexBits << " bits";
  if (format.isVector())
    out << " for " << format.weightsPerIndex << " weights";
  out << '\n';
  for (const Term &term : format.terms) {
    out << "levels:   ";
    if (term.levels.table.empty())
      out << "code" << (term.levels.offset < 0 ? " - " : " + ")
          << std::abs(term.levels.offset);
    else if (format.isVector())
      out << "a table of " << format.getCodeCount() << " vectors of "
          << format.weightsPerIndex;
    else
      interleaveComma(term.levels.table, out,
                      [&](int8_t level) { out << static_cast<int>(level); });
    out << "\nscale:    ";
    describeChain(out, term.scale, group);
  }
  if (format.hasMinimum) {
    out << "minimum:  ";
    describeChain(out, format.minimum, group);
  }
  if (format.hadamard)
    out << "columns:  Hadamard transform of each " << format.hadamard << '\n';
  if (format.permuted)
    out << "columns:  in an order of their own\n";
  if (format.rank)
    out << "added:    a product of two matrices of rank " << format.rank
        << ", in bf16\n";
  if (format.sparse)
    out << "added:    a number in bf16 to " << format.sparse
        << " of 1,000 weights of each row\n";
  return text;
}
