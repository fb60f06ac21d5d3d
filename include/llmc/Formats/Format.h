//===- Format.h - What the values of a compressed matrix are ---*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compressed format is plain data. The value in row r and column k, in group
// g of its row, is exactly
//
//     W[r,k] = sum over t of s_t[r,g] * L_t[code[r,k]]  +  m[r,g]
//
// with one to three terms: L_t integers of eight bits, s_t and m real numbers
// that are stored by scale chains. Symmetric formats store no minimum m. From
// this one description come the reference decoder, the encoder, the size and
// the order of the bytes (Layout.h), and the kernels.
//
// In formats of vectors one code stands for several weights beside each other, 2,
// 4 or 8 of them: L_t[code] is a vector, of which the weight in column k has
// entry k mod n. Groups begin with a code, since n divides 16.
//
// Dense formats (f32, bf16, f16) have no terms: the code is the number itself.
//
// With a transform of columns (Hadamard.h) this is the stored matrix, and the
// matrix that is meant is the stored one times the transform.
//
// Or columns are stored in an order of their own, which lies behind the codes, so
// that groups have columns that are alike.
//
// A format with a rank adds a product of two small matrices in bf16,
//
//     + sum over j < rank of left[r,j] * right[j,k]
//
// which holds what codes cannot: the largest part of their error. A format with a
// sparse part adds, to that many weights of each row, a number in bf16 of their own.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_FORMAT_H
#define LLMC_FORMATS_FORMAT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>

namespace llmc {

/// Columns under one real of a chain with the span Block.
constexpr int64_t kBlockColumns = 256;
/// The most terms a format may have.
constexpr unsigned kMaxTerms = 3;
/// The largest rank of what a format adds.
constexpr int64_t kMaxRank = 256;
/// The most weights of 1,000 that a format has a number of their own for.
constexpr int64_t kMaxSparse = 100;

/// Storage of a real number. None: the factor is 1 and nothing is stored.
enum class RealType : uint8_t { None, F32, F16, BF16 };

/// Storage of the small factor of a group. None: the factor is 1.
enum class ScaleCode : uint8_t { None, U4, U6, U8, I8, E8M0, UE4M3 };

/// The columns that share one real: a group, 256 columns, or a whole row.
enum class RealSpan : uint8_t { Group, Block, Row };

/// Bytes of a stored real: 0, 2 or 4.
int64_t getRealBytes(RealType type);
/// Bits of a stored code: 0, 4, 6 or 8.
int64_t getCodeBits(ScaleCode code);

/// How the number of a group is stored: `real * code`, and `-real * code`
/// where negated. With no code, the span is Group.
struct ScaleChain {
  RealType real = RealType::F16;
  RealSpan span = RealSpan::Group;
  ScaleCode code = ScaleCode::None;
  bool negated = false;
  /// Minimums alone: the code is a zero point. It has no real of its own but the
  /// scale of the first term: `scale * (level - code)`, as other tools store it.
  bool ofScale = false;

  bool operator==(const ScaleChain &other) const = default;
};

/// From a code to an integer of eight bits, or to several.
struct Levels {
  /// One entry for each code; in formats of vectors `weightsPerIndex` beside each
  /// other, and never empty. Empty: `code + offset`.
  llvm::SmallVector<int8_t, 16> table;
  int offset = 0;
  /// How kernels compute it, as MLIR text (llmc/Codegen/LevelsFunction.h); empty:
  /// as they like. It says the same as the table for every code.
  std::string function;

  /// A table, or an offset where levels are one apart, unless they are `vectors`.
  static Levels make(llvm::ArrayRef<int8_t> levels, bool vectors = false);
  int get(unsigned code) const {
    return table.empty() ? static_cast<int>(code) + offset : table[code];
  }
  /// Values count, not how they are computed.
  bool operator==(const Levels &other) const {
    return table == other.table && offset == other.offset;
  }
};

/// One product of the sum.
struct Term {
  Levels levels;
  ScaleChain scale;

  bool operator==(const Term &other) const = default;
};

/// A format. `verify` says whether the parts fit together.
struct FormatDescription {
  /// A name that parseFormat understands.
  std::string name;
  /// Bits of a code: 1 to 6, or 8; 16 and 32 for dense formats. Of vectors: a
  /// multiple of the weights, so that each takes a whole number of bits.
  unsigned indexBits = 0;
  /// Weights of a code: 1, or 2, 4 or 8 in formats of vectors.
  unsigned weightsPerIndex = 1;
  /// What the number itself is in a dense format, else None.
  RealType dense = RealType::None;
  llvm::SmallVector<Term, 1> terms;
  bool hasMinimum = false;
  ScaleChain minimum;
  /// Columns of a group, a multiple of 16; 0 is the whole row.
  int64_t groupSize = 0;
  /// Columns of a block of the Hadamard transform; 0: there is none.
  int64_t hadamard = 0;
  /// Whether columns are stored in an order of their own.
  bool permuted = false;
  /// Rank of the two matrices whose product is added; 0: none is.
  int64_t rank = 0;
  /// Weights of 1,000 in a row to which a number is added; 0: none are.
  int64_t sparse = 0;
  /// Whether the format is that of a plugin: parseFormat does not know its name,
  /// which is then the long one.
  bool fromPlugin = false;

  bool isDense() const { return dense != RealType::None; }
  bool isVector() const { return weightsPerIndex != 1; }
  unsigned getCodeCount() const { return 1u << indexBits; }
  /// Entries of a table of levels.
  unsigned getLevelCount() const { return getCodeCount() * weightsPerIndex; }
  /// Codes of a row. The last may have entries without a column.
  int64_t getCodesOfRow(int64_t columns) const {
    return (columns + weightsPerIndex - 1) / weightsPerIndex;
  }
  /// Bits that the codes take for each weight.
  unsigned getBitsOfWeight() const { return indexBits / weightsPerIndex; }
  /// The smallest and the largest level of a term over all codes.
  int getLowestLevel(unsigned term = 0) const;
  int getHighestLevel(unsigned term = 0) const;

  /// Columns of a full group in a row of `columns`.
  int64_t getGroupColumns(int64_t columns) const {
    return groupSize == 0 || groupSize > columns ? columns : groupSize;
  }
  /// Groups of a row. The last may be short.
  int64_t getGroups(int64_t columns) const;
  /// Reals of a row that a chain stores.
  int64_t getReals(const ScaleChain &chain, int64_t columns) const;
  /// The real, counted in a row, that belongs to group `group`.
  int64_t getRealOfGroup(const ScaleChain &chain, int64_t group) const;
  /// All chains: those of the terms in order, then that of the minimum.
  llvm::SmallVector<ScaleChain, 2> getChains() const;
  /// Numbers of the sparse part in a row of `columns`: `sparse` of 1,000, rounded,
  /// but one at least.
  int64_t getSparseCount(int64_t columns) const;
  /// Whether anything is added to what codes say, behind which it lies.
  bool hasSides() const { return rank || sparse; }
  /// The format of the stored matrix: this one without transform and order.
  FormatDescription getStored() const;

  /// The same format with nothing added.
  FormatDescription withoutSides() const;

  /// Names do not count.
  bool operator==(const FormatDescription &other) const;
};

/// Says what is wrong with a description.
llvm::Error verify(const FormatDescription &format);

/// The format of a name:
///
///     f32 | bf16 | f16
///     LEVELS [ "g" GROUP | "row" ] [ "." CHAIN [ ".m" CHAIN | ".z" CODE ] ]
///            [ ".h" BLOCK | ".p" | ".lr" RANK | ".sp" SPARSE ]
///     LEVELS  u1..u6, u8    codes from 0, with a minimum
///             i2..i6, i8    codes about 0, without one
///             nl4, nl3      the 16 levels of IQ4_NL, 8 made alike, without
///             sl4           16 like nl4, in six bits for speed, without
///             nf4, nf3, e2m1  quantiles of a normal distribution, FP4, without
///             t2            -1, 0, 1, without
///             v4b8          vectors of 4 weights in 8 bits, for normal numbers;
///             v2b6          of 2 weights in 6 bits, both without
///     GROUP   a multiple of 16 (32 if not given); "row" is the whole row
///     CHAIN   f32 | bf16 | f16        one for each group (f16 if not given)
///             REAL "r-" CODE          a real for each row, a code for a group
///             REAL "b-" CODE          a real for each 256 columns
///             e8m0 | ue4m3            a code for each group
///     CODE    u4 | u6 | u8 | i8 | e8m0 | ue4m3
///     p       columns are stored in an order that each matrix has for itself
///     BLOCK   16 | 32 | 64 | 128 | 256: columns of a Hadamard transform
///     RANK    1 to 256: a product of two matrices in bf16 is added; short names
///             take it, too
///     SPARSE  1 to 100: to so many weights of 1,000 a number in bf16 is added
///
/// The minimum of `u` formats has the chain of the scale unless ".m" names
/// another; chains of unsigned codes are subtracted. Other levels get a minimum
/// where ".m" names its chain. With ".z" the minimum is a zero point, in units of
/// the scale, stored as u4, u6, u8 or i8. Short names: q4_0, q4_1, q5_0, q5_1, q8_0,
/// iq4_nl, q4_k, q5_k, q6_k as in GGUF, nl4, sl4 and nl3 with .f32r-i8, mxfp4, ternary;
/// ".h" may stand behind them, too.
///
/// These are the formats of llmc (BuiltinFormats.cpp). Those of plugins stand in
/// the place of LEVELS, with their own group and chains where a name gives none;
/// a FormatSet knows them.
llvm::Expected<FormatDescription> parseFormat(llvm::StringRef name);

/// The long name of a format, whatever short name it was made from.
std::string getCanonicalName(const FormatDescription &format);

/// The name of a chain, without whether it is negated.
std::string getChainName(const ScaleChain &chain);
/// A whole chain by name; false if `text` is none.
bool parseChain(llvm::StringRef text, ScaleChain &chain);
/// The minimum of a group lies below 0, so a chain without signs is subtracted.
ScaleChain asMinimum(ScaleChain chain);
/// The chain of the minimum as names have it: "mf16", "zu4".
std::string getMinimumName(const ScaleChain &chain);
bool parseMinimum(llvm::StringRef text, ScaleChain &chain);

/// Short names, each with the long one.
llvm::ArrayRef<std::pair<llvm::StringLiteral, llvm::StringLiteral>>
getFormatAliases();

/// The whole description, one line for each part, for people.
std::string describe(const FormatDescription &format);

} // namespace llmc

#endif // LLMC_FORMATS_FORMAT_H
