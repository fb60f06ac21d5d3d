//===- Layout.h - The order of bytes of a compressed matrix ----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How the components of a matrix lie in the bytes that kernels read. Everything
// is in the order in which a product loads it, front to back, and one copy
// serves a single token and many.
//
//   matrix  = tiles of R rows, one after the other; then zeros up to 64 bytes
//             (tiles begin at multiples of 32 bytes, or of their element)
//   tile    = head, records
//   head    = for each chain whose span is Row: R reals; zeros up to 64 bytes
//   record  = codes, then for each chain (terms in order, minimum last) its
//             reals and its scale codes; zeros up to 32 bytes
//
// A record holds N groups of R rows (fewer in the last record of a tile). N is
// such that records of the usual formats need no zeros at their end, and 256
// columns where a chain has a real for each block.
//
// *Codes of a record*: units of 32 columns; the last is filled with zeros. A
// code of b bits is cut into planes of 8, 4, 2 or 1 bits, the low bits first: 3
// is 2+1, 5 is 4+1, 6 is 4+2. A unit is its planes one after the other. With
// w bits, a plane is
//
//     [w pieces][R rows][4 bytes]
//
// and field f (bits f*w to f*w+w-1) of byte j of row r in piece i is of column
//
//     32 * unit + 4 * (i * (8 / w) + f) + j
//
// So the 32-bit lane of a row holds four neighboring columns (a k-step, what an
// integer dot product of four wants) in each field, fields are neighboring
// k-steps, and no field crosses a group, but for planes of one bit and groups
// that are no multiple of 32. For 4 bits: 4 pieces; low nibbles are k-step 2i,
// high nibbles k-step 2i+1.
//
// *Codes of vectors*, of n weights each: a unit of 32 columns has 32 / n codes, and
// a plane 1 / n of the pieces. With w bits it is
//
//     [w / n pieces][R rows][4 bytes]
//
// and field f of byte j of row r in piece i is *code* 4 * (i * (8 / w) + f) + j of
// the unit, which is of the n columns from n times that on. n divides b, and so
// every w.
//
// *Reals of a record*: span Group: [N groups][R]; span Block: [R].
// *Scale codes of a record*: 8 bits: [N][R] bytes. 4 bits: [N / 2][R] bytes, the
// low nibble for group 2i. 6 bits: the low four bits like that, then [N / 4][R]
// bytes whose two-bit field f is the high bits of group 4i+f. Divisions round
// up.
//
// Rows that fill up the last tile have zeros everywhere. Columns after the last
// have code 0, which need not be the value 0: their input is 0.
//
// *Dense formats*: [tiles][columns][R], nothing else.
//
// *Formats with a rank* have the two matrices behind the tiles, each from a
// multiple of 64 bytes on, as a dense matrix of bf16: first `right`, with its rank
// as rows, in tiles of min(R, 8 or 16) rows (8 up to rank 8), then `left`, with its
// rank as columns, in tiles of R rows. So they are operands of dense products.
//
// *Formats with a sparse part* have N numbers for each row behind the tiles, from a
// multiple of 64 bytes on: for each tile
//
//     [N][R] columns, of 2 bytes, or 4 where the matrix has more than 2^16
//     [N][R] numbers in bf16
//
// *Formats with an order of columns* have it behind the tiles, from a multiple of 64
// bytes on: for each stored column which one of the matrix it is, in 2 or 4 bytes.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_LAYOUT_H
#define LLMC_FORMATS_LAYOUT_H

#include "llmc/Formats/QuantizedMatrix.h"
#include <optional>

namespace llmc {

/// Columns of a unit.
constexpr int64_t kUnitColumns = 32;
/// Columns of a k-step.
constexpr int64_t kStepColumns = 4;
/// Alignment of packed matrices and heads, in bytes.
constexpr int64_t kPackedAlignment = 64;
/// Alignment of records. Those of most formats are multiples of 64.
constexpr int64_t kRecordAlignment = 32;

/// A plane of a code: `width` bits that begin at bit `shift`.
struct Plane {
  unsigned shift, width;
};
/// The planes of a code, the low bits first.
llvm::SmallVector<Plane, 2> getPlanes(unsigned indexBits);

/// Where the numbers of a chain are: bytes from the start of the tile for
/// `headReals`, from the start of the record for the rest; -1 where there are
/// none.
struct ChainPlace {
  int64_t headReals = -1, reals = -1, codes = -1;
};

/// A record. Its codes are at its start.
struct RecordPlan {
  int64_t groups = 0;
  /// Units of 32 columns.
  int64_t units = 0;
  int64_t bytes = 0;
  llvm::SmallVector<ChainPlace, 2> chains;
};

/// Sizes and places for one matrix.
struct PackedLayout {
  int64_t rows = 0, columns = 0;
  /// R.
  int64_t tileRows = 0;
  int64_t tiles = 0;
  /// Groups of a row, and of a record that is not the last.
  int64_t groups = 0, groupsPerRecord = 0;
  int64_t records = 0;
  /// All records of a tile but the last, and the last.
  RecordPlan record, lastRecord;
  int64_t headBytes = 0, unitBytes = 0, tileBytes = 0;
  /// Of formats with a rank: where the two matrices begin, and rows of a tile of
  /// the right one.
  int64_t right = 0, left = 0, rightTileRows = 0;
  /// Of formats with a sparse part: where it begins, its numbers in a row, bytes of
  /// a column (those of an order, too), and of all that belongs to a tile.
  int64_t sparse = 0, sparseCount = 0, columnBytes = 0, sparseTileBytes = 0;
  /// Of formats with an order of columns: where it begins; else 0.
  int64_t order = 0;
  /// All bytes of the matrix, a multiple of 64.
  int64_t bytes = 0;

  /// Lays out a matrix in tiles of `tileRows` rows: 4, 8, 16, 32 or 64. Fails
  /// where the format is none, the matrix is empty or the size does not fit 63
  /// bits.
  static llvm::Expected<PackedLayout> create(const FormatDescription &format,
                                             int64_t rows, int64_t columns,
                                             int64_t tileRows = 16);

  const RecordPlan &getRecord(int64_t index) const {
    return index + 1 == records ? lastRecord : record;
  }
  /// The start of a record from the start of its tile.
  int64_t getRecordOffset(int64_t index) const {
    return headBytes + index * record.bytes;
  }
  /// The same without what fills up behind the last tile.
  int64_t getUsedBytes() const {
    return right || sparse || order ? bytes : tiles * tileBytes;
  }
  /// Stored bits for each weight, with all scales and all that fills up.
  double getBitsPerWeight() const;
};

/// Packs tiles [begin, end) into `out`, the memory of the whole packed matrix;
/// what lies behind the tiles goes with the last. Different tiles may be packed at the same time. The matrix must pass
/// `verify`.
llvm::Error packTiles(const QuantizedMatrix &matrix, const PackedLayout &layout,
                      int64_t begin, int64_t end,
                      llvm::MutableArrayRef<char> out);

/// The whole matrix in new memory.
llvm::Expected<std::vector<char>> packMatrix(const QuantizedMatrix &matrix,
                                             int64_t tileRows = 16);

/// The components of a packed matrix, which may be any bytes; columns of a sparse
/// part that the matrix does not have are refused, and so is an order that leaves
/// one out. The column scale is not among
/// them.
llvm::Expected<QuantizedMatrix> unpackMatrix(const FormatDescription &format,
                                             const PackedLayout &layout,
                                             llvm::ArrayRef<char> packed);

} // namespace llmc

#endif // LLMC_FORMATS_LAYOUT_H
