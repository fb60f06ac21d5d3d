//===- StoredFormat.cpp - Weights that are quantized already --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A source is taken apart into pieces: rows of one quantized leaf each, with
// transpositions pushed down to codes, scales and zero points. The pieces of
// one matrix must agree in everything but their numbers.
//
// With codes counted from 0 (codes with a sign plus 2^(bits-1)) and Z the zero
// point counted likewise, the value is `(code - Z) * scale`:
//   * Z is 2^(bits-1) everywhere: levels with a sign, no minimum;
//   * integers: levels from 0 and zero points, four bits each where they fit;
//   * else: levels from 0 and the minimum `-Z * scale`, where f32 holds it.
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/StoredFormat.h"

#include "SourceReader.h"
#include "llmc/Formats/Ggml.h"
#include <cmath>

using namespace mlir;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using namespace llmc;
using namespace llmc::nn;

namespace {

/// Rows `begin .. end-1` of a leaf.
struct Piece {
  Attribute leaf;
  int64_t begin, end;
};

/// What a group has besides its scale. Parts of one matrix may differ in the
/// first two.
enum class Offsets { None, ZeroPoints, Minimums };

/// What the pieces of a matrix must agree in.
struct Kind {
  /// Of a GGUF file; the rest is for codes and scales.
  const GgmlType *blocks = nullptr;
  int64_t bits = 0;
  /// Columns of a group; 0 is the whole row.
  int64_t group = 0;
  RealType scale = RealType::None;
  Offsets offsets = Offsets::None;

  std::string getName() const {
    if (blocks)
      return blocks->name.str();
    static constexpr llvm::StringLiteral reals[] = {"", "f32", "f16", "bf16"};
    std::string name = (offsets == Offsets::None ? "i" : "u") +
                       std::to_string(bits) +
                       (group ? "g" + std::to_string(group) : "row") + "." +
                       reals[static_cast<int>(scale)].str();
    if (offsets == Offsets::ZeroPoints)
      name += bits == 8 ? ".zi8" : ".zu4";
    if (offsets == Offsets::Minimums && scale != RealType::F32)
      name += ".mf32";
    return name;
  }
};

/// The numbers of the groups of a piece, [rows][groups].
struct Numbers {
  std::vector<float> scales;
  /// Z of each, empty where it is 2^(bits-1) for all.
  std::vector<double> zeros;
};

class Matrix {
public:
  static Expected<Matrix> create(const WeightStore &store, Attribute source);

  const Kind &getKind() const { return kind; }
  Expected<QuantizedMatrix> read();

private:
  explicit Matrix(const WeightStore &store) : reader(store) {}
  Error collect(Attribute source, int64_t begin, int64_t end, bool transposed);
  /// The kind of a piece, which fits `kind` where that is known.
  Error examine(const Piece &piece);
  Expected<Numbers> readGroups(const Piece &piece);
  Error readDequant(const Piece &piece, int64_t row, QuantizedMatrix &to);

  SourceReader reader;
  SmallVector<Piece, 3> pieces;
  Kind kind;
  bool known = false;
  int64_t rows = 0, columns = 0;
};

} // namespace

/// The bits of a code, which may lie in a byte of its own.
static int64_t getCodeBits(Attribute codes) {
  while (true) {
    if (auto unpack = dyn_cast<UnpackSourceAttr>(codes))
      return unpack.getBits();
    if (auto rows = dyn_cast<RowsSourceAttr>(codes))
      codes = rows.getSource();
    else if (auto moved = dyn_cast<TransposeSourceAttr>(codes))
      codes = moved.getSource();
    else if (auto reshaped = dyn_cast<ReshapeSourceAttr>(codes))
      codes = reshaped.getSource();
    else
      return 8;
  }
}

Expected<Matrix> Matrix::create(const WeightStore &store, Attribute source) {
  Matrix matrix(store);
  auto at = matrix.reader.layout(source);
  if (!at)
    return at.takeError();
  if (at->type.getRank() != 2 || !at->type.getElementType().isF32() ||
      at->type.getNumElements() == 0)
    return createStringError("it is not a matrix of f32");
  matrix.rows = at->rows;
  matrix.columns = at->type.getDimSize(1);
  if (Error error = matrix.collect(source, 0, at->rows, false))
    return std::move(error);
  for (const Piece &piece : matrix.pieces)
    if (Error error = matrix.examine(piece))
      return std::move(error);
  return matrix;
}

Error Matrix::collect(Attribute source, int64_t begin, int64_t end,
                      bool transposed) {
  if (begin == end)
    return Error::success();
  if (auto moved = dyn_cast<TransposeSourceAttr>(source)) {
    if (moved.getPerm() != ArrayRef<int64_t>{1, 0})
      return collect(moved.getSource(), begin, end, transposed);
    return collect(moved.getSource(), begin, end, !transposed);
  }
  if (auto cast = dyn_cast<CastSourceAttr>(source)) {
    auto from = reader.layout(cast.getSource());
    if (!from)
      return from.takeError();
    if (from->type.getElementType() == cast.getType())
      return collect(cast.getSource(), begin, end, transposed);
  }
  if (auto part = dyn_cast<RowsSourceAttr>(source); part && !transposed)
    return collect(part.getSource(), part.getBegin() + begin,
                   part.getBegin() + end, false);
  if (auto whole = dyn_cast<ConcatSourceAttr>(source); whole && !transposed) {
    int64_t first = 0;
    for (Attribute part : whole.getSources()) {
      auto at = reader.layout(part);
      if (!at)
        return at.takeError();
      int64_t from = std::max(begin, first),
              to = std::min(end, first + at->rows);
      if (from < to)
        if (Error error = collect(part, from - first, to - first, false))
          return error;
      first += at->rows;
    }
    return Error::success();
  }
  if (auto leaf = dyn_cast<DequantSourceAttr>(source)) {
    if (leaf.getBlocks().size() != 2)
      return createStringError("its codes are not a matrix");
    Attribute moved = transposed ? permuteSource(leaf, {1, 0}) : leaf;
    pieces.push_back({moved, begin, end});
    return Error::success();
  }
  if (auto leaf = dyn_cast<BlocksSourceAttr>(source); leaf && !transposed) {
    pieces.push_back({leaf, begin, end});
    return Error::success();
  }
  return createStringError("it is not stored as codes and scales");
}

//===----------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------===//

/// Whether `-zero * scale` in f32 gives the very values of `(code - zero) *
/// scale`, for levels of eight bits: everything then is exact in f64, where a
/// scale has 24 bits and zeros are multiples of 2^-20 below 2^8.
static bool holdsMinimum(float scale, double zero) {
  double minimum = -zero * static_cast<double>(scale);
  return std::abs(zero) <= 0x1p8 &&
         zero * 0x1p20 == std::nearbyint(zero * 0x1p20) &&
         static_cast<double>(static_cast<float>(minimum)) == minimum;
}

/// Codes of eight bits have levels from -128.
static double getLevelOffset(int64_t bits) { return bits == 8 ? -128 : 0; }

Error Matrix::examine(const Piece &piece) {
  Kind found;
  if (auto leaf = dyn_cast<BlocksSourceAttr>(piece.leaf)) {
    found.blocks = findGgmlType(leaf.getType());
  } else {
    auto dequant = cast<DequantSourceAttr>(piece.leaf);
    auto codes = reader.layout(dequant.getCodes());
    if (!codes)
      return codes.takeError();
    if (!codes->type.getElementType().isInteger(8))
      return createStringError("its codes have more than 8 bits");
    found.bits = getCodeBits(dequant.getCodes());
    if (found.bits == 1)
      return createStringError("its codes have 1 bit");
    int64_t block = dequant.getBlocks()[1];
    if (block < columns && block % 16 != 0)
      return createStringError("its groups have " + Twine(block) +
                               " columns, not a multiple of 16");
    found.group = block < columns ? block : 0;
    auto scales = reader.layout(dequant.getScales());
    if (!scales)
      return scales.takeError();
    Type real = scales->type.getElementType();
    if (real.isF32())
      found.scale = RealType::F32;
    else if (real.isF16())
      found.scale = RealType::F16;
    else if (real.isBF16())
      found.scale = RealType::BF16;
    else
      return createStringError("its scales are not f32, f16 or bf16");
    auto numbers = readGroups(piece);
    if (!numbers)
      return numbers.takeError();
    if (!numbers->zeros.empty()) {
      found.offsets = llvm::all_of(numbers->zeros,
                                   [&](double zero) {
                                     return zero >= 0 &&
                                            zero < (1 << found.bits) &&
                                            zero == std::nearbyint(zero);
                                   })
                          ? Offsets::ZeroPoints
                          : Offsets::Minimums;
      for (auto [scale, zero] :
           llvm::zip_equal(numbers->scales, numbers->zeros))
        if (found.offsets == Offsets::Minimums &&
            !holdsMinimum(scale, zero + getLevelOffset(found.bits)))
          return createStringError(
              "the products of its zero points and scales are no f32 numbers");
    }
  }
  if (!known) {
    known = true;
    kind = found;
    return Error::success();
  }
  if (kind.blocks != found.blocks || kind.bits != found.bits ||
      kind.group != found.group || kind.scale != found.scale ||
      (kind.offsets == Offsets::Minimums) !=
          (found.offsets == Offsets::Minimums))
    return createStringError("its parts are stored in different formats, " +
                             kind.getName() + " and " + found.getName());
  kind.offsets = std::max(kind.offsets, found.offsets);
  return Error::success();
}

Expected<Numbers> Matrix::readGroups(const Piece &piece) {
  auto dequant = cast<DequantSourceAttr>(piece.leaf);
  int64_t block = dequant.getBlocks()[0];
  int64_t first = piece.begin / block,
          last = llvm::divideCeil(piece.end, block);
  auto codes = reader.layout(dequant.getCodes());
  if (!codes)
    return codes.takeError();
  int64_t groups =
      llvm::divideCeil(codes->type.getDimSize(1), dequant.getBlocks()[1]);
  auto scales = reader.readNumbers(dequant.getScales(), first, last);
  if (!scales)
    return scales.takeError();
  for (double scale : *scales)
    if (!std::isfinite(scale))
      return createStringError("a scale of it is not a finite number");
  auto spread = [&](ArrayRef<double> from, auto &to, double add) {
    to.reserve((piece.end - piece.begin) * groups);
    for (int64_t row = piece.begin; row < piece.end; ++row)
      for (int64_t g = 0; g < groups; ++g)
        to.push_back(
            static_cast<typename std::decay_t<decltype(to)>::value_type>(
                from[(row / block - first) * groups + g] + add));
  };
  Numbers numbers;
  spread(*scales, numbers.scales, 0);
  int64_t bits = getCodeBits(dequant.getCodes());
  double half = static_cast<double>(int64_t(1) << (bits - 1));
  double add = codes->type.getElementType().isUnsignedInteger() ? 0 : half;
  if (auto one = dyn_cast<IntegerAttr>(dequant.getZeros())) {
    double zero = static_cast<double>(one.getValue().getSExtValue()) + add;
    if (zero != half)
      numbers.zeros.assign(numbers.scales.size(), zero);
    return numbers;
  }
  auto zeros = reader.readNumbers(dequant.getZeros(), first, last);
  if (!zeros)
    return zeros.takeError();
  if (llvm::any_of(*zeros, [&](double zero) { return zero + add != half; }))
    spread(*zeros, numbers.zeros, add);
  return numbers;
}

//===----------------------------------------------------------------------===//
// Components
//===----------------------------------------------------------------------===//

Expected<QuantizedMatrix> Matrix::read() {
  auto format = parseFormat(kind.getName());
  if (!format)
    return format.takeError();
  auto matrix = QuantizedMatrix::create(*format, rows, columns);
  if (!matrix)
    return matrix.takeError();
  int64_t row = 0;
  for (const Piece &piece : pieces) {
    auto leaf = dyn_cast<BlocksSourceAttr>(piece.leaf);
    if (!leaf) {
      if (Error error = readDequant(piece, row, *matrix))
        return std::move(error);
      row += piece.end - piece.begin;
      continue;
    }
    auto at = reader.layout(leaf.getSource());
    if (!at)
      return at.takeError();
    std::vector<char> bytes((piece.end - piece.begin) * at->rowBytes);
    if (Error error =
            reader.read(leaf.getSource(), piece.begin, piece.end, bytes))
      return std::move(error);
    auto part = readGgml(*kind.blocks, piece.end - piece.begin, columns, bytes);
    if (!part || pieces.size() == 1)
      return part;
    auto copy = [&](const auto &from, auto &to) {
      if (!from.empty())
        llvm::copy(from, to.begin() + row * (from.size() / part->rows));
    };
    copy(part->codes, matrix->codes);
    for (auto [from, to] : llvm::zip_equal(part->chains, matrix->chains)) {
      copy(from.reals, to.reals);
      copy(from.codes, to.codes);
    }
    row += part->rows;
  }
  return matrix;
}

Error Matrix::readDequant(const Piece &piece, int64_t row,
                          QuantizedMatrix &to) {
  auto dequant = cast<DequantSourceAttr>(piece.leaf);
  auto codes = reader.layout(dequant.getCodes());
  if (!codes)
    return codes.takeError();
  uint8_t *target = to.codes.data() + row * columns;
  int64_t count = (piece.end - piece.begin) * columns;
  if (Error error = reader.read(
          dequant.getCodes(), piece.begin, piece.end,
          MutableArrayRef<char>(reinterpret_cast<char *>(target), count)))
    return error;
  if (!codes->type.getElementType().isUnsignedInteger())
    for (uint8_t &code : MutableArrayRef<uint8_t>(target, count))
      code = static_cast<uint8_t>(code + (1u << (kind.bits - 1)));
  auto numbers = readGroups(piece);
  if (!numbers)
    return numbers.takeError();
  int64_t first = row * to.getGroups();
  llvm::copy(numbers->scales, to.chains[0].reals.begin() + first);
  double offset = getLevelOffset(kind.bits);
  if (kind.offsets == Offsets::ZeroPoints) {
    // No zeros of a part are those of a matrix whose other parts have some.
    if (numbers->zeros.empty())
      numbers->zeros.assign(numbers->scales.size(), 1 << (kind.bits - 1));
    for (auto [i, zero] : llvm::enumerate(numbers->zeros))
      to.chains[1].codes[first + i] =
          static_cast<uint8_t>(static_cast<int>(zero + offset));
  } else if (kind.offsets == Offsets::Minimums) {
    for (auto [i, zero] : llvm::enumerate(numbers->zeros))
      to.chains[1].reals[first + i] = static_cast<float>(
          -(zero + offset) * static_cast<double>(numbers->scales[i]));
  }
  return Error::success();
}

Expected<std::string> llmc::findStoredFormat(const WeightStore &store,
                                             Attribute source) {
  auto matrix = Matrix::create(store, source);
  if (!matrix)
    return matrix.takeError();
  return matrix->getKind().getName();
}

Expected<QuantizedMatrix> llmc::readStored(const WeightStore &store,
                                           Attribute source) {
  auto matrix = Matrix::create(store, source);
  if (!matrix)
    return createStringError("expected a weight that is quantized already: " +
                             llvm::toString(matrix.takeError()));
  return matrix->read();
}
