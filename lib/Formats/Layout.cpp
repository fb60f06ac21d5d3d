//===- Layout.cpp - The order of bytes of a compressed matrix -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All sizes come from PackedLayout::create, so that packing and unpacking are
// two walks over the same plan.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Layout.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cstring>

using namespace llvm;
using namespace llmc;

SmallVector<Plane, 2> llmc::getPlanes(unsigned indexBits) {
  SmallVector<Plane, 2> planes;
  unsigned shift = 0;
  for (unsigned width : {8, 4, 2, 1})
    if (indexBits & width) {
      planes.push_back({shift, width});
      shift += width;
    }
  return planes;
}

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// Bytes that the scale codes of `groups` groups take.
static int64_t getCodeAreaBytes(ScaleCode code, int64_t groups, int64_t rows) {
  switch (getCodeBits(code)) {
  case 0:
    return 0;
  case 4:
    return divideCeil(groups, 2) * rows;
  case 6:
    return (divideCeil(groups, 2) + divideCeil(groups, 4)) * rows;
  default:
    return groups * rows;
  }
}

/// Places everything of a record. The caller has checked that sizes fit.
static RecordPlan planRecord(const FormatDescription &format, int64_t tileRows,
                             int64_t groups, int64_t columns, bool rounded) {
  RecordPlan plan;
  plan.groups = groups;
  plan.units = divideCeil(columns, kUnitColumns);
  int64_t at = plan.units * format.getBitsOfWeight() * tileRows * kStepColumns;
  for (const ScaleChain &chain : format.getChains()) {
    ChainPlace place;
    if (chain.real != RealType::None && chain.span != RealSpan::Row) {
      place.reals = at;
      at += (chain.span == RealSpan::Block ? 1 : groups) * tileRows *
            getRealBytes(chain.real);
    }
    if (chain.code != ScaleCode::None) {
      place.codes = at;
      at += getCodeAreaBytes(chain.code, groups, tileRows);
    }
    plan.chains.push_back(place);
  }
  plan.bytes = rounded ? alignTo(at, kRecordAlignment) : at;
  return plan;
}

/// Groups of a record: all of a block, or as few as end on a unit and leave
/// nothing to fill up.
static int64_t chooseGroups(const FormatDescription &format, int64_t tileRows) {
  int64_t size = format.groupSize, fitting = 0;
  bool six = false, four = false;
  for (const ScaleChain &chain : format.getChains()) {
    if (chain.real != RealType::None && chain.span == RealSpan::Block)
      return kBlockColumns / size;
    six |= getCodeBits(chain.code) == 6;
    four |= getCodeBits(chain.code) == 4;
  }
  for (int64_t groups = 1; groups <= 16; ++groups) {
    if (groups * size % kUnitColumns || (six && groups % 4) ||
        (four && groups % 2))
      continue;
    if (!fitting)
      fitting = groups;
    if (planRecord(format, tileRows, groups, groups * size, false).bytes %
            kPackedAlignment ==
        0)
      return groups;
  }
  return fitting;
}

/// Bytes of a matrix in bf16, in tiles of `tileRows`.
static int64_t getDenseBytes(int64_t rows, int64_t columns, int64_t tileRows) {
  return alignTo(alignTo(rows, tileRows) * columns * sizeof(uint16_t),
                 kPackedAlignment);
}

Expected<PackedLayout> PackedLayout::create(const FormatDescription &format,
                                            int64_t rows, int64_t columns,
                                            int64_t tileRows) {
  if (Error error = verify(format))
    return std::move(error);
  if (!is_contained({4, 8, 16, 32, 64}, tileRows))
    return createStringError("expected tiles of 4, 8, 16, 32 or 64 rows but "
                             "got " +
                             Twine(tileRows));
  auto tooLarge = [&] {
    return createStringError("expected a matrix whose packed size fits 63 bits "
                             "but got " +
                             Twine(rows) + "x" + Twine(columns));
  };
  if (rows < 1 || columns < 1)
    return createStringError("expected a matrix of at least one row and one "
                             "column but got " +
                             Twine(rows) + "x" + Twine(columns));
  // No component takes more than 16 bytes for each weight, however small the
  // matrix is beside what fills it up; below this bound nothing overflows. A rank
  // takes at most 2 * kMaxRank bytes for each row and column.
  auto bound = checkedAdd<int64_t>(rows, tileRows);
  auto width = checkedAdd<int64_t>(columns, 16 * kBlockColumns);
  bound = bound && width ? checkedMul<int64_t>(*bound, *width) : std::nullopt;
  bound =
      bound ? checkedMul<int64_t>(*bound, 64 + 4 * format.rank) : std::nullopt;
  if (!bound)
    return tooLarge();

  PackedLayout layout;
  layout.rows = rows;
  layout.columns = columns;
  layout.tileRows = tileRows;
  layout.tiles = divideCeil(rows, tileRows);
  if (format.isDense()) {
    layout.tileBytes = columns * tileRows * getRealBytes(format.dense);
    layout.bytes = alignTo(layout.tiles * layout.tileBytes, kPackedAlignment);
    return layout;
  }
  layout.groups = format.getGroups(columns);
  layout.unitBytes = format.getBitsOfWeight() * tileRows * kStepColumns;
  // A row of one group is one record, whatever its length.
  layout.groupsPerRecord =
      layout.groups == 1 ? 1 : chooseGroups(format, tileRows);
  layout.records = divideCeil(layout.groups, layout.groupsPerRecord);
  int64_t recordColumns =
      layout.groups == 1 ? columns : layout.groupsPerRecord * format.groupSize;
  layout.record =
      planRecord(format, tileRows, layout.groupsPerRecord, recordColumns, true);
  int64_t before = layout.records - 1;
  layout.lastRecord = planRecord(
      format, tileRows, layout.groups - before * layout.groupsPerRecord,
      columns - before * recordColumns, true);
  int64_t head = 0;
  for (auto [index, chain] : enumerate(format.getChains()))
    if (chain.real != RealType::None && chain.span == RealSpan::Row) {
      layout.record.chains[index].headReals = head;
      layout.lastRecord.chains[index].headReals = head;
      head += tileRows * getRealBytes(chain.real);
    }
  layout.headBytes = alignTo(head, kPackedAlignment);
  layout.tileBytes = layout.getRecordOffset(before) + layout.lastRecord.bytes;
  layout.bytes = alignTo(layout.tiles * layout.tileBytes, kPackedAlignment);
  if (int64_t rank = format.rank) {
    layout.rightTileRows = std::min<int64_t>(tileRows, rank > 8 ? 16 : 8);
    layout.right = layout.bytes;
    layout.left =
        layout.right + getDenseBytes(rank, columns, layout.rightTileRows);
    layout.bytes = layout.left + getDenseBytes(rows, rank, tileRows);
  }
  layout.columnBytes = columns > 1 << 16 ? 4 : 2;
  if (format.permuted) {
    layout.order = layout.bytes;
    layout.bytes += alignTo(columns * layout.columnBytes, kPackedAlignment);
  }
  if (format.sparse) {
    layout.sparse = layout.bytes;
    layout.sparseCount = format.getSparseCount(columns);
    layout.sparseTileBytes =
        layout.sparseCount * tileRows * (layout.columnBytes + sizeof(uint16_t));
    layout.bytes +=
        alignTo(layout.tiles * layout.sparseTileBytes, kPackedAlignment);
  }
  return layout;
}

double PackedLayout::getBitsPerWeight() const {
  return static_cast<double>(bytes) * 8 /
         (static_cast<double>(rows) * static_cast<double>(columns));
}

//===----------------------------------------------------------------------===//
// Codes
//===----------------------------------------------------------------------===//

static uint32_t load(const void *from) {
  uint32_t value;
  std::memcpy(&value, from, 4);
  return value;
}

static void store(void *to, uint32_t value) { std::memcpy(to, &value, 4); }

/// Four codes of N weights at a time: `codes` are the 32 / N of a row, `unit` is
/// its lane in the first piece.
template <unsigned N, unsigned Shift, unsigned Width>
static char *packPlane(const uint8_t *codes, int64_t tileRows, char *unit) {
  constexpr uint32_t kMask = ((1u << Width) - 1) * 0x01010101u;
  constexpr unsigned kFields = 8 / Width;
  for (unsigned piece = 0; piece < Width / N; ++piece) {
    uint32_t lane = 0;
    for (unsigned field = 0; field < kFields; ++field)
      lane |= (load(codes + kStepColumns * (piece * kFields + field)) >> Shift &
               kMask)
              << (field * Width);
    store(unit, lane);
    unit += tileRows * kStepColumns;
  }
  return unit;
}

template <unsigned N, unsigned Shift, unsigned Width>
static const char *unpackPlane(const char *unit, int64_t tileRows,
                               uint8_t *codes) {
  constexpr uint32_t kMask = ((1u << Width) - 1) * 0x01010101u;
  constexpr unsigned kFields = 8 / Width;
  for (unsigned piece = 0; piece < Width / N; ++piece) {
    uint32_t lane = load(unit);
    for (unsigned field = 0; field < kFields; ++field) {
      uint8_t *to = codes + kStepColumns * (piece * kFields + field);
      store(to, load(to) | (lane >> (field * Width) & kMask) << Shift);
    }
    unit += tileRows * kStepColumns;
  }
  return unit;
}

template <unsigned N>
static void packUnit(unsigned bits, const uint8_t *codes, int64_t tileRows,
                     char *unit) {
  switch (bits) {
  case 1:
    packPlane<N, 0, 1>(codes, tileRows, unit);
    return;
  case 2:
    packPlane<N, 0, 2>(codes, tileRows, unit);
    return;
  case 3:
    packPlane<N, 2, 1>(codes, tileRows,
                       packPlane<N, 0, 2>(codes, tileRows, unit));
    return;
  case 4:
    packPlane<N, 0, 4>(codes, tileRows, unit);
    return;
  case 5:
    packPlane<N, 4, 1>(codes, tileRows,
                       packPlane<N, 0, 4>(codes, tileRows, unit));
    return;
  case 6:
    packPlane<N, 4, 2>(codes, tileRows,
                       packPlane<N, 0, 4>(codes, tileRows, unit));
    return;
  case 8:
    packPlane<N, 0, 8>(codes, tileRows, unit);
    return;
  }
  llvm_unreachable("no such width");
}

/// `codes` must be zeros.
template <unsigned N>
static void unpackUnit(unsigned bits, const char *unit, int64_t tileRows,
                       uint8_t *codes) {
  switch (bits) {
  case 1:
    unpackPlane<N, 0, 1>(unit, tileRows, codes);
    return;
  case 2:
    unpackPlane<N, 0, 2>(unit, tileRows, codes);
    return;
  case 3:
    unpackPlane<N, 2, 1>(unpackPlane<N, 0, 2>(unit, tileRows, codes), tileRows,
                         codes);
    return;
  case 4:
    unpackPlane<N, 0, 4>(unit, tileRows, codes);
    return;
  case 5:
    unpackPlane<N, 4, 1>(unpackPlane<N, 0, 4>(unit, tileRows, codes), tileRows,
                         codes);
    return;
  case 6:
    unpackPlane<N, 4, 2>(unpackPlane<N, 0, 4>(unit, tileRows, codes), tileRows,
                         codes);
    return;
  case 8:
    unpackPlane<N, 0, 8>(unit, tileRows, codes);
    return;
  }
  llvm_unreachable("no such width");
}

/// The functions for codes of `weights` weights.
static auto getPackUnit(unsigned weights) {
  return weights == 8   ? packUnit<8>
         : weights == 4 ? packUnit<4>
         : weights == 2 ? packUnit<2>
                        : packUnit<1>;
}

static auto getUnpackUnit(unsigned weights) {
  return weights == 8   ? unpackUnit<8>
         : weights == 4 ? unpackUnit<4>
         : weights == 2 ? unpackUnit<2>
                        : unpackUnit<1>;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// Sets the bits of a scale code, which are zeros.
static void storeCode(ScaleCode code, uint8_t value, int64_t group,
                      int64_t groups, int64_t rows, int64_t row, char *area) {
  int64_t bits = getCodeBits(code);
  if (bits == 8) {
    area[group * rows + row] = static_cast<char>(value);
    return;
  }
  area[group / 2 * rows + row] |=
      static_cast<char>((value & 15) << (group % 2 * 4));
  if (bits == 6)
    area[(divideCeil(groups, 2) + group / 4) * rows + row] |=
        static_cast<char>((value >> 4 & 3) << (group % 4 * 2));
}

static uint8_t loadCode(ScaleCode code, int64_t group, int64_t groups,
                        int64_t rows, int64_t row, const char *area) {
  auto byte = [&](int64_t index) {
    return static_cast<uint8_t>(area[index * rows + row]);
  };
  int64_t bits = getCodeBits(code);
  if (bits == 8)
    return byte(group);
  uint8_t value = byte(group / 2) >> (group % 2 * 4) & 15;
  if (bits == 6)
    value |= (byte(divideCeil(groups, 2) + group / 4) >> (group % 4 * 2) & 3)
             << 4;
  return value;
}

namespace {
/// A chain of a matrix, as both walks need it.
struct ChainView {
  ScaleChain chain;
  int64_t reals;
};
} // namespace

static SmallVector<ChainView, 2> getViews(const FormatDescription &format,
                                          int64_t columns) {
  SmallVector<ChainView, 2> views;
  for (const ScaleChain &chain : format.getChains())
    views.push_back({chain, format.getReals(chain, columns)});
  return views;
}

/// Calls `real(chain, index in ChainValues::reals, offset in the tile)` and
/// `code(chain, index in ChainValues::codes, record, group in it, area)` for
/// everything that row `row` of a tile (`matrixRow` of the matrix) stores.
template <typename Real, typename Code>
static void walkScales(const FormatDescription &format,
                       const PackedLayout &layout, int64_t matrixRow,
                       int64_t row, ArrayRef<ChainView> views, Real real,
                       Code code) {
  for (auto [index, view] : enumerate(views)) {
    int64_t bytes = getRealBytes(view.chain.real);
    for (int64_t r = 0; r < layout.records; ++r) {
      const RecordPlan &record = layout.getRecord(r);
      const ChainPlace &place = record.chains[index];
      int64_t at = layout.getRecordOffset(r);
      if (place.headReals >= 0 && r == 0)
        real(index, matrixRow * view.reals, place.headReals + row * bytes);
      if (place.reals >= 0) {
        bool each = view.chain.span == RealSpan::Group;
        int64_t first = each ? r * layout.groupsPerRecord : r;
        for (int64_t g = 0; g < (each ? record.groups : 1); ++g)
          real(index, matrixRow * view.reals + first + g,
               at + place.reals + (g * layout.tileRows + row) * bytes);
      }
      if (place.codes >= 0)
        for (int64_t g = 0; g < record.groups; ++g)
          code(index,
               matrixRow * layout.groups + r * layout.groupsPerRecord + g,
               record, g, at + place.codes);
    }
  }
}

//===----------------------------------------------------------------------===//
// Whole matrices
//===----------------------------------------------------------------------===//

static Error checkPlan(const FormatDescription &format,
                       const PackedLayout &layout, size_t bytes) {
  auto expected = PackedLayout::create(format, layout.rows, layout.columns,
                                       layout.tileRows);
  if (!expected)
    return expected.takeError();
  if (expected->bytes != layout.bytes ||
      expected->groupsPerRecord != layout.groupsPerRecord)
    return createStringError("expected the layout of format '" + format.name +
                             "'");
  if (static_cast<uint64_t>(layout.bytes) != bytes)
    return createStringError("expected " + Twine(layout.bytes) +
                             " bytes of packed matrix but got " + Twine(bytes));
  return Error::success();
}

/// Rows of a tile that the matrix has.
static int64_t getFilledRows(const PackedLayout &layout, int64_t tile) {
  return std::min(layout.tileRows, layout.rows - tile * layout.tileRows);
}

static void packDenseTile(const QuantizedMatrix &matrix,
                          const PackedLayout &layout, int64_t tile, char *out) {
  int64_t bytes = matrix.getCodeBytes(), columns = layout.columns;
  int64_t filled = getFilledRows(layout, tile);
  // Sixteen columns at a time: one cache line of each row.
  for (int64_t begin = 0; begin < columns; begin += 16)
    for (int64_t r = 0; r < filled; ++r) {
      const uint8_t *from =
          matrix.codes.data() + (tile * layout.tileRows + r) * columns * bytes;
      for (int64_t k = begin; k < std::min(columns, begin + 16); ++k)
        std::memcpy(out + (k * layout.tileRows + r) * bytes, from + k * bytes,
                    bytes);
    }
}

static void packTile(const QuantizedMatrix &matrix, const PackedLayout &layout,
                     ArrayRef<ChainView> views, int64_t tile, char *out) {
  const FormatDescription &format = matrix.format;
  int64_t tileRows = layout.tileRows, count = matrix.getRowBytes(),
          unitCodes = format.getCodesOfRow(kUnitColumns);
  auto pack = getPackUnit(format.weightsPerIndex);
  for (int64_t r = 0; r < getFilledRows(layout, tile); ++r) {
    int64_t row = tile * tileRows + r;
    const uint8_t *codes = matrix.codes.data() + row * count;
    int64_t first = 0;
    for (int64_t index = 0; index < layout.records; ++index) {
      const RecordPlan &record = layout.getRecord(index);
      char *unit = out + layout.getRecordOffset(index) + r * kStepColumns;
      for (int64_t u = 0; u < record.units; ++u) {
        uint8_t tail[kUnitColumns] = {};
        const uint8_t *from = codes + first;
        if (first + unitCodes > count) {
          std::memcpy(tail, from, count - first);
          from = tail;
        }
        pack(format.indexBits, from, tileRows, unit);
        unit += layout.unitBytes;
        first += unitCodes;
      }
    }
    walkScales(
        format, layout, row, r, views,
        [&](unsigned chain, int64_t value, int64_t at) {
          storeReal(views[chain].chain.real, matrix.chains[chain].reals[value],
                    out + at);
        },
        [&](unsigned chain, int64_t value, const RecordPlan &record,
            int64_t group, int64_t area) {
          storeCode(views[chain].chain.code, matrix.chains[chain].codes[value],
                    group, record.groups, tileRows, r, out + area);
        });
  }
}

/// Calls `visit(number, element)` for every number of a matrix [rows][columns]
/// and its place in [tiles][columns][tileRows].
template <typename Visit>
static void walkDense(int64_t rows, int64_t columns, int64_t tileRows,
                      Visit visit) {
  for (int64_t row = 0; row < rows; ++row) {
    int64_t first = row / tileRows * columns * tileRows + row % tileRows;
    for (int64_t k = 0; k < columns; ++k)
      visit(row * columns + k, first + k * tileRows);
  }
}

/// Calls `visit(number, place in bytes)` for all that a rank adds.
/// `Low` is LowRank, constant or not.
template <typename Low, typename Visit>
static void walkLowRank(Low &lowRank, const PackedLayout &layout, int64_t rank,
                        Visit visit) {
  constexpr int64_t kBytes = sizeof(uint16_t);
  walkDense(rank, layout.columns, layout.rightTileRows,
            [&](int64_t number, int64_t element) {
              visit(lowRank.right[number], layout.right + element * kBytes);
            });
  walkDense(layout.rows, rank, layout.tileRows,
            [&](int64_t number, int64_t element) {
              visit(lowRank.left[number], layout.left + element * kBytes);
            });
}

/// Calls `visit(index in SparsePart, place of its column, place of its number)` for
/// all that a sparse part has. Both places are in bytes.
template <typename Visit>
static void walkSparse(const PackedLayout &layout, Visit visit) {
  int64_t count = layout.sparseCount, tileRows = layout.tileRows;
  for (int64_t row = 0; row < layout.rows; ++row) {
    int64_t tile = layout.sparse + row / tileRows * layout.sparseTileBytes,
            numbers = tile + count * tileRows * layout.columnBytes;
    for (int64_t i = 0; i < count; ++i) {
      int64_t element = i * tileRows + row % tileRows;
      visit(row * count + i, tile + element * layout.columnBytes,
            numbers + element * static_cast<int64_t>(sizeof(uint16_t)));
    }
  }
}

/// Calls `visit(index in the order, place in bytes)` for all columns.
template <typename Visit>
static void walkOrder(const PackedLayout &layout, Visit visit) {
  for (int64_t j = 0; layout.order && j < layout.columns; ++j)
    visit(j, layout.order + j * layout.columnBytes);
}

Error llmc::packTiles(const QuantizedMatrix &matrix, const PackedLayout &layout,
                      int64_t begin, int64_t end, MutableArrayRef<char> out) {
  if (Error error = checkPlan(matrix.format, layout, out.size()))
    return error;
  if (matrix.rows != layout.rows || matrix.columns != layout.columns)
    return createStringError("expected a matrix of " + Twine(layout.rows) +
                             "x" + Twine(layout.columns) + " but got " +
                             Twine(matrix.rows) + "x" + Twine(matrix.columns));
  if (begin < 0 || end < begin || end > layout.tiles)
    return createStringError("expected tiles inside 0 to " +
                             Twine(layout.tiles));
  auto views = getViews(matrix.format, matrix.columns);
  for (int64_t tile = begin; tile < end; ++tile) {
    char *to = out.data() + tile * layout.tileBytes;
    std::memset(to, 0, layout.tileBytes);
    if (matrix.format.isDense())
      packDenseTile(matrix, layout, tile, to);
    else
      packTile(matrix, layout, views, tile, to);
  }
  if (end == layout.tiles) {
    int64_t used = layout.tiles * layout.tileBytes;
    std::memset(out.data() + used, 0, out.size() - used);
    if (int64_t rank = matrix.format.rank)
      walkLowRank(matrix.lowRank, layout, rank,
                  [&](const uint16_t &number, int64_t at) {
                    std::memcpy(out.data() + at, &number, sizeof(number));
                  });
    walkOrder(layout, [&](int64_t j, int64_t at) {
      std::memcpy(out.data() + at, &matrix.order[j], layout.columnBytes);
    });
    walkSparse(layout, [&](int64_t index, int64_t column, int64_t number) {
      // Little-endian, so the low bytes come first.
      std::memcpy(out.data() + column, &matrix.sparse.columns[index],
                  layout.columnBytes);
      std::memcpy(out.data() + number, &matrix.sparse.values[index],
                  sizeof(uint16_t));
    });
  }
  return Error::success();
}

Expected<std::vector<char>> llmc::packMatrix(const QuantizedMatrix &matrix,
                                             int64_t tileRows) {
  if (Error error = verify(matrix))
    return std::move(error);
  auto layout = PackedLayout::create(matrix.format, matrix.rows, matrix.columns,
                                     tileRows);
  if (!layout)
    return layout.takeError();
  std::vector<char> bytes(layout->bytes);
  if (Error error = packTiles(matrix, *layout, 0, layout->tiles, bytes))
    return std::move(error);
  return bytes;
}

Expected<QuantizedMatrix> llmc::unpackMatrix(const FormatDescription &format,
                                             const PackedLayout &layout,
                                             ArrayRef<char> packed) {
  if (Error error = checkPlan(format, layout, packed.size()))
    return std::move(error);
  auto matrix = QuantizedMatrix::create(format, layout.rows, layout.columns);
  if (!matrix)
    return matrix.takeError();
  int64_t columns = layout.columns, tileRows = layout.tileRows,
          count = matrix->getRowBytes(),
          unitCodes = format.getCodesOfRow(kUnitColumns);
  auto unpack = getUnpackUnit(format.weightsPerIndex);
  auto views = getViews(format, columns);
  for (int64_t row = 0; row < layout.rows; ++row) {
    const char *tile = packed.data() + row / tileRows * layout.tileBytes;
    int64_t r = row % tileRows;
    if (format.isDense()) {
      int64_t bytes = matrix->getCodeBytes();
      for (int64_t k = 0; k < columns; ++k)
        std::memcpy(matrix->codes.data() + (row * columns + k) * bytes,
                    tile + (k * tileRows + r) * bytes, bytes);
      continue;
    }
    int64_t first = 0;
    for (int64_t index = 0; index < layout.records; ++index) {
      const RecordPlan &record = layout.getRecord(index);
      const char *unit =
          tile + layout.getRecordOffset(index) + r * kStepColumns;
      for (int64_t u = 0; u < record.units; ++u) {
        uint8_t codes[kUnitColumns] = {};
        unpack(format.indexBits, unit, tileRows, codes);
        std::memcpy(matrix->codes.data() + row * count + first, codes,
                    std::min(unitCodes, count - first));
        unit += layout.unitBytes;
        first += unitCodes;
      }
    }
    walkScales(
        format, layout, row, r, views,
        [&](unsigned chain, int64_t value, int64_t at) {
          matrix->chains[chain].reals[value] =
              loadReal(views[chain].chain.real, tile + at);
        },
        [&](unsigned chain, int64_t value, const RecordPlan &record,
            int64_t group, int64_t area) {
          matrix->chains[chain].codes[value] =
              loadCode(views[chain].chain.code, group, record.groups, tileRows,
                       r, tile + area);
        });
  }
  if (format.rank)
    walkLowRank(matrix->lowRank, layout, format.rank,
                [&](uint16_t &number, int64_t at) {
                  std::memcpy(&number, packed.data() + at, sizeof(number));
                });
  walkOrder(layout, [&](int64_t j, int64_t at) {
    matrix->order[j] = 0;
    std::memcpy(&matrix->order[j], packed.data() + at, layout.columnBytes);
  });
  walkSparse(layout, [&](int64_t index, int64_t column, int64_t number) {
    std::memcpy(&matrix->sparse.columns[index], packed.data() + column,
                layout.columnBytes);
    std::memcpy(&matrix->sparse.values[index], packed.data() + number,
                sizeof(uint16_t));
  });
  // Of what was read, columns alone can be wrong.
  if (format.sparse || format.permuted)
    if (Error error = verify(*matrix))
      return std::move(error);
  return matrix;
}
