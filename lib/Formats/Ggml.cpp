//===- Ggml.cpp - Blocks of GGUF files ------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each block type has one function that gives and takes the parts of a block:
// its codes and the numbers of its chains. It runs in both directions, over a
// `Transfer` that either reads the block or writes it.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Ggml.h"
#include "llmc/Formats/Floats.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace llvm;
using namespace llmc;

namespace {

/// A block on one side, the part of the components that it is on the other.
struct Transfer {
  bool reading;
  uint8_t *block;
  uint8_t *codes;
  /// The first real and the first scale code of each chain that belong here.
  float *reals[2];
  uint8_t *scaleCodes[2];

  /// The f16 at a byte of the block.
  void real(int64_t at, unsigned chain) const {
    if (reading) {
      *reals[chain] =
          f16ToFloat(static_cast<uint16_t>(block[at] | block[at + 1] << 8));
      return;
    }
    uint16_t bits = floatToF16(*reals[chain]);
    block[at] = static_cast<uint8_t>(bits);
    block[at + 1] = static_cast<uint8_t>(bits >> 8);
  }
  /// `width` bits at bit `from` of byte `at` are the bits of `value` from `to`.
  /// The side that is written was all zeros.
  void bits(int64_t at, unsigned from, unsigned width, uint8_t &value,
            unsigned to) const {
    unsigned mask = (1u << width) - 1;
    if (reading)
      value |= static_cast<uint8_t>((block[at] >> from & mask) << to);
    else
      block[at] |= static_cast<uint8_t>((value >> to & mask) << from);
  }
  /// Sixteen bytes whose low nibbles are codes 0 to 15 and whose high nibbles
  /// are codes 16 to 31.
  void nibbles(int64_t at) const {
    for (int64_t i = 0; i < 16; ++i) {
      bits(at + i, 0, 4, codes[i], 0);
      bits(at + i, 4, 4, codes[i + 16], 0);
    }
  }
  /// Bit i of four bytes is bit 4 of code i.
  void fifthBits(int64_t at) const {
    for (int64_t i = 0; i < 32; ++i)
      bits(at + i / 8, i % 8, 1, codes[i], 4);
  }
};

} // namespace

static void q4_0(const Transfer &block) { // and iq4_nl
  block.real(0, 0);
  block.nibbles(2);
}

static void q4_1(const Transfer &block) {
  block.real(0, 0);
  block.real(2, 1);
  block.nibbles(4);
}

static void q5_0(const Transfer &block) {
  block.real(0, 0);
  block.fifthBits(2);
  block.nibbles(6);
}

static void q5_1(const Transfer &block) {
  block.real(0, 0);
  block.real(2, 1);
  block.fifthBits(4);
  block.nibbles(8);
}

static void q8_0(const Transfer &block) {
  block.real(0, 0);
  // Bytes with a sign there, codes from 0 here.
  for (int64_t i = 0; i < 32; ++i)
    if (block.reading)
      block.codes[i] = block.block[2 + i] ^ 0x80;
    else
      block.block[2 + i] = block.codes[i] ^ 0x80;
}

/// Eight scales and eight minimums of six bits in twelve bytes.
static void kScales(const Transfer &block, int64_t at) {
  for (int64_t s = 0; s < 4; ++s) {
    for (unsigned chain = 0; chain < 2; ++chain) {
      uint8_t *codes = block.scaleCodes[chain];
      block.bits(at + 4 * chain + s, 0, 6, codes[s], 0);
      block.bits(at + 8 + s, 4 * chain, 4, codes[s + 4], 0);
      block.bits(at + 4 * chain + s, 6, 2, codes[s + 4], 4);
    }
  }
}

/// Four pairs of groups: low nibbles are the first of a pair.
static void kNibbles(const Transfer &block, int64_t at) {
  for (int64_t pair = 0; pair < 4; ++pair)
    for (int64_t i = 0; i < 32; ++i) {
      block.bits(at + 32 * pair + i, 0, 4, block.codes[64 * pair + i], 0);
      block.bits(at + 32 * pair + i, 4, 4, block.codes[64 * pair + 32 + i], 0);
    }
}

static void q4_k(const Transfer &block) {
  block.real(0, 0);
  block.real(2, 1);
  kScales(block, 4);
  kNibbles(block, 16);
}

static void q5_k(const Transfer &block) {
  block.real(0, 0);
  block.real(2, 1);
  kScales(block, 4);
  for (unsigned group = 0; group < 8; ++group)
    for (int64_t i = 0; i < 32; ++i)
      block.bits(16 + i, group, 1, block.codes[32 * group + i], 4);
  kNibbles(block, 48);
}

static void q6_k(const Transfer &block) {
  for (int64_t half = 0; half < 2; ++half)
    for (int64_t i = 0; i < 32; ++i) {
      uint8_t *codes = block.codes + 128 * half + i;
      int64_t low = 64 * half + i, high = 128 + 32 * half + i;
      for (unsigned quarter = 0; quarter < 4; ++quarter) {
        uint8_t &code = codes[32 * quarter];
        block.bits(low + quarter % 2 * 32, quarter / 2 * 4, 4, code, 0);
        block.bits(high, 2 * quarter, 2, code, 4);
      }
    }
  for (int64_t group = 0; group < 16; ++group)
    block.bits(192 + group, 0, 8, block.scaleCodes[0][group], 0);
  block.real(208, 0);
}

static constexpr GgmlType kTypes[] = {
    {"q4_0", 2, 32, 18},    {"q4_1", 3, 32, 20},    {"q5_0", 6, 32, 22},
    {"q5_1", 7, 32, 24},    {"q8_0", 8, 32, 34},    {"q4_k", 12, 256, 144},
    {"q5_k", 13, 256, 176}, {"q6_k", 14, 256, 210}, {"iq4_nl", 20, 32, 18}};
static constexpr void (*kTransfers[])(const Transfer &) = {
    q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, q4_0};
static_assert(std::size(kTypes) == std::size(kTransfers));

ArrayRef<GgmlType> llmc::getGgmlTypes() { return kTypes; }

const GgmlType *llmc::findGgmlType(uint32_t number) {
  const auto *found = find_if(
      kTypes, [&](const GgmlType &type) { return type.number == number; });
  return found == std::end(kTypes) ? nullptr : found;
}

const GgmlType *llmc::findGgmlType(StringRef name) {
  const auto *found =
      find_if(kTypes, [&](const GgmlType &type) { return type.name == name; });
  return found == std::end(kTypes) ? nullptr : found;
}

/// Moves all blocks between `bytes` and the matrix.
static void transfer(const GgmlType &type, QuantizedMatrix &matrix,
                     uint8_t *bytes, bool reading) {
  const auto *known = find_if(kTypes, [&](const GgmlType &candidate) {
    return candidate.number == type.number;
  });
  auto move = kTransfers[known - std::begin(kTypes)];
  int64_t blocks = matrix.columns / type.blockColumns;
  int64_t groups = matrix.getGroups() / blocks;
  for (int64_t index = 0; index < matrix.rows * blocks; ++index) {
    Transfer block = {};
    block.reading = reading;
    block.block = bytes + index * type.blockBytes;
    block.codes = matrix.codes.data() + index * type.blockColumns;
    for (auto [chain, values] : enumerate(matrix.chains)) {
      block.reals[chain] = values.reals.data() + index;
      if (!values.codes.empty())
        block.scaleCodes[chain] = values.codes.data() + index * groups;
    }
    move(block);
  }
}

static Error checkShape(const GgmlType &type, int64_t columns) {
  if (columns < 1 || columns % type.blockColumns != 0)
    return createStringError("expected columns in multiples of " +
                             Twine(type.blockColumns) + " of " + type.name +
                             " but got " + Twine(columns));
  return Error::success();
}

Expected<QuantizedMatrix> llmc::readGgml(const GgmlType &type, int64_t rows,
                                         int64_t columns,
                                         ArrayRef<char> bytes) {
  if (Error error = checkShape(type, columns))
    return std::move(error);
  auto size = checkedMul<int64_t>(columns / type.blockColumns, type.blockBytes);
  size = size ? checkedMul<int64_t>(*size, rows) : std::nullopt;
  if (!size || static_cast<uint64_t>(*size) != bytes.size())
    return createStringError("expected " + Twine(rows) + "x" + Twine(columns) +
                             " weights of " + type.name + " but got " +
                             Twine(bytes.size()) + " bytes");
  auto format = parseFormat(type.name);
  if (!format)
    return format.takeError();
  auto matrix = QuantizedMatrix::create(*format, rows, columns);
  if (!matrix)
    return matrix.takeError();
  // A transfer that reads does not write to its block.
  transfer(
      type, *matrix,
      const_cast<uint8_t *>(reinterpret_cast<const uint8_t *>(bytes.data())),
      true);
  return matrix;
}

Expected<std::vector<char>> llmc::writeGgml(const GgmlType &type,
                                            const QuantizedMatrix &matrix) {
  auto format = parseFormat(type.name);
  if (!format)
    return format.takeError();
  if (!(*format == matrix.format))
    return createStringError("expected a matrix in format " + type.name +
                             " but got " + matrix.format.name);
  if (!matrix.columnScale.empty())
    return createStringError("expected a matrix without a column scale for " +
                             type.name);
  if (Error error = checkShape(type, matrix.columns))
    return std::move(error);
  if (Error error = verify(matrix))
    return std::move(error);
  std::vector<char> bytes(matrix.rows * (matrix.columns / type.blockColumns) *
                          type.blockBytes);
  // A transfer that writes does not change the components.
  transfer(type, const_cast<QuantizedMatrix &>(matrix),
           reinterpret_cast<uint8_t *>(bytes.data()), false);
  return bytes;
}
