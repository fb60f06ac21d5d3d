//===- Quantized.cpp - Products with compressed matrices ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The input is in signed codes q of 8 or 16 bits: one scale for each 32 columns
// of a row, taken from their largest magnitude. The weights stay as they are
// stored (llmc/Formats/Layout.h); a tile kernel unpacks the codes of four columns
// and sixteen rows at a time and multiplies them with integer dot products of
// four bytes: with codes of 16 bits two, for q = 256 * high + low.
//
// A group of 32 columns of an input row takes one cache line, or two:
//
//   bytes 0..31   q, or its high bytes; then the low bytes at 32..63
//   behind them   (+0) f32  scale s: x is about s * q
//                 (+4) f32  s * sum of q;  +8, +12: of columns 0..15 and 16..31
//                 (+16) i32 -128 * sum of q;  +20, +24: of columns 0..15 and 16..31
//
// An output is the sum over groups of the input, in their order, of
// f32(integer dot) * (s * scale of the group) + (s * sum) * minimum of the
// group. The integers are exact, sums travel through memory unchanged where k is
// cut, and nothing depends on the tiling: a row of a prompt has the bits of a
// single token. Where products of four bytes are added at once and a group of the
// matrix is several of the input, it is the sum over groups of the matrix of
// (sum of f32(integer dot) * s) * scale of the group + (sum of s * sum) * minimum.
//
// Where products of bytes are added in pairs to sixteen bits (x86 without VNNI),
// sums stay that wide over as many k-steps as the range of the levels allows; and
// many rows share one unpacking: a step of a tile goes to memory as levels and
// factors in f32, and all rows of an item pass by. The products and sums are the
// same, in the same order.
//
// Or the input stays in f32, or is rounded to bf16: a group is its 32 columns, and
// behind them 1 for the scale and their sums. An output then is the sum over groups of
// (sum over k of x * level) * scale of the group, and the term of the minimum.
//
//===----------------------------------------------------------------------===//
#include "QuantizedTile.h"
#include "llmc/Codegen/KernelLibrary.h"

using namespace mlir;
using namespace llmc;
using kern::Activations;

/// So many rows are worth unpacking the codes of a tile for.
static constexpr int64_t kUnpackedRows = 8;

/// Products of codes are the same whatever is added to them.
static std::string getFormatName(const QuantizedShape &shape) {
  std::string codes = shape.format.withoutSides().name;
  // The vendor of a plugin keeps its dot: no other format then has this name.
  auto [vendor, rest] = shape.format.fromPlugin
                            ? StringRef(codes).split('.')
                            : std::pair(StringRef(), StringRef(codes));
  std::string name = rest.str() + "_r" + std::to_string(shape.layout.tileRows);
  llvm::replace(name, '.', '_');
  llvm::replace(name, '-', '_');
  return "kern_q_" + (vendor.empty() ? "" : vendor.str() + ".") + name;
}

std::string llmc::getQuantizedKernelName(const QuantizedShape &shape) {
  return getFormatName(shape) + "_" + shape.getVariant();
}

//===----------------------------------------------------------------------===//
// A tile of outputs
//===----------------------------------------------------------------------===//

/// (x, tile, y, ldy, first record, last record, tail): adds the records [first,
/// last) and, where `tail` is not 0, the last, shorter one. Where the matrix has
/// one group a row: units [first, last). x begins at the first of them; its rows
/// are shape.panelBytes() apart.
func::FuncOp KernelLibrary::getQuantizedTile(const QuantizedShape &shape,
                                             int64_t rows) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  return getOrCreate(
      getQuantizedKernelName(shape) +
          getActivationsSuffix(shape.activations).str() + "_m" +
          std::to_string(rows),
      {pointer, pointer, pointer, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], tile = args[1], first = args[4], last = args[5],
              tail = args[6];
        QuantizedEmitter codes(e, target, shape);
        TileBuilder builder(e, target, shape, rows, codes);
        TileOutputs outputs(e, args[2], args[3], rows, codes);
        Reading reading = rows == 1 ? readOnce(target) : Reading();
        bool byGroups = TileBuilder::sumsGroups(target, shape);
        auto getLines = [&](Value unit) {
          Emitter::Values lines{
              e.at(x, e.mul(unit, shape.inputGroupBytes()), 1)};
          for (int64_t i = 1; i < rows; ++i)
            lines.push_back(e.at(lines[0], i * shape.panelBytes(), 1));
          return lines;
        };
        auto visitUnit = [&](Value stored, Value unit, int64_t parts) {
          Emitter::Values lines = getLines(unit);
          auto pieces = codes.loadPieces(stored);
          auto levels = [=, &codes](int64_t step, int64_t column,
                                    unsigned term) {
            return codes.emitLevels(pieces, step, column, term);
          };
          SmallVector<Emitter::Values> products;
          if (reading.inOrder)
            products = builder.multiply({parts, false, levels, {}}, lines);
          return
              [=, &builder](ArrayRef<const QuantizedEmitter::Chains *> numbers,
                            Emitter::Values &sums) {
                if (byGroups)
                  return builder.addToGroup({parts, false, levels, {}}, lines,
                                            sums, products);
                auto chains =
                    [&](int64_t part) -> const QuantizedEmitter::Chains & {
                  return *numbers[part];
                };
                builder.addUnit({parts, false, levels, chains}, lines, sums,
                                products);
              };
        };
        auto start = [&] { return builder.startGroup(); };
        auto end = [&](const QuantizedEmitter::Chains &numbers,
                       ArrayRef<Value> group, Value unit, int64_t units,
                       Emitter::Values &sums) {
          builder.endGroup(numbers, group, getLines(unit), units, sums);
        };
        std::optional<GroupSums> groups;
        if (byGroups)
          groups = {start, end};
        TileWalker walker(e, shape, codes, visitUnit, reading, groups);
        outputs.store(walker.walk(tile, first, last, tail, outputs.load()));
      });
}

//===----------------------------------------------------------------------===//
// A tile whose codes were unpacked
//===----------------------------------------------------------------------===//

/// Some units of a tile as many rows of an input want them: what would be done
/// for every few rows is done once.
///
///   unit = for each term and k-step: R lanes of four levels (emitLevels);
///          for each part, its factors: of each term R f32, R of the minimum
namespace {
struct UnpackedTile {
  int64_t rows, terms, parts, numbers;

  /// Nothing where units have now one part and now two, and but for AVX2 without
  /// dot products of four bytes.
  static std::optional<UnpackedTile> find(const Target &target,
                                          const QuantizedShape &shape) {
    int64_t group = shape.format.groupSize;
    bool halves = group == 16 && shape.layout.groups > 1;
    if (target.dot != DotUnit::Madd || target.lanes() != 8 ||
        shape.layout.tileRows % 8 != 0 || shape.activations != Activations::I8)
      return std::nullopt;
    if (halves ? shape.layout.columns % kUnitColumns != 0
               : shape.layout.groups > 1 && group % kUnitColumns != 0)
      return std::nullopt;
    int64_t terms = shape.format.terms.size();
    return UnpackedTile{shape.layout.tileRows, terms, halves ? 2 : 1,
                        terms + shape.format.hasMinimum};
  }

  int64_t levels(int64_t term, int64_t step, int64_t row) const {
    return (term * (kUnitColumns / kStepColumns) + step) * rows * 4 + row * 4;
  }
  int64_t number(int64_t part, int64_t which, int64_t row) const {
    return levels(terms, 0, 0) + ((part * numbers + which) * rows + row) * 4;
  }
  int64_t unitBytes() const { return number(parts, 0, 0); }
};
} // namespace

/// (tile, first record, last record, tail, unpacked): as getQuantizedTile.
func::FuncOp KernelLibrary::getUnpackTile(const QuantizedShape &shape) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  UnpackedTile place = *UnpackedTile::find(target, shape);
  return getOrCreate(
      getQuantizedKernelName(shape) + "_unpack",
      {pointer, index, index, index, pointer},
      [&](Emitter &e, ValueRange args) {
        QuantizedEmitter codes(e, target, shape);
        auto store = [&](Value value, Value unit, int64_t offset) {
          e.store(value, e.at(unit, offset, 1));
        };
        auto unpack = [&](Value stored, Value unit,
                          ArrayRef<const QuantizedEmitter::Chains *> parts) {
          assert(int64_t(parts.size()) == place.parts);
          Value to = e.at(args[4], e.mul(unit, place.unitBytes()), 1);
          auto pieces = codes.loadPieces(stored);
          for (int64_t c = 0; c < codes.columns; ++c) {
            int64_t row = c * codes.lanes;
            for (int64_t term = 0; term < place.terms; ++term)
              for (int64_t step = 0; step < kUnitColumns / kStepColumns; ++step)
                store(codes.emitLevels(pieces, step, c, term), to,
                      place.levels(term, step, row));
            for (int64_t part = 0; part < place.parts; ++part) {
              for (int64_t term = 0; term < place.terms; ++term)
                store(parts[part]->scales[term][c], to,
                      place.number(part, term, row));
              if (shape.format.hasMinimum)
                store(parts[part]->minimum[c], to,
                      place.number(part, place.terms, row));
            }
          }
        };
        auto unpackUnit = [&](Value stored, Value unit, int64_t) {
          return [=](ArrayRef<const QuantizedEmitter::Chains *> parts,
                     Emitter::Values &) { unpack(stored, unit, parts); };
        };
        TileWalker walker(e, shape, codes, unpackUnit);
        walker.walk(args[0], args[1], args[2], args[3], {});
      });
}

/// (x, bytes between its rows, unpacked, y, ldy, units): adds `units` units.
func::FuncOp KernelLibrary::getUnpackedTile(const QuantizedShape &shape,
                                            int64_t rows) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  UnpackedTile place = *UnpackedTile::find(target, shape);
  return getOrCreate(
      getFormatName(shape) + (place.parts > 1 ? "_halves" : "") +
          "_unpacked_m" + std::to_string(rows),
      {pointer, index, pointer, pointer, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], tile = args[2], units = args[5];
        QuantizedEmitter codes(e, target, shape);
        TileBuilder builder(e, target, shape, rows, codes);
        TileOutputs outputs(e, args[3], args[4], rows, codes);
        Emitter::Values inputs;
        for (int64_t i = 0; i < rows; ++i)
          inputs.push_back(i ? e.at(x, e.mul(ldx, i), 1) : x);
        auto addUnit = [&](Value unit, ValueRange previous) {
          Emitter::Values next(previous), lines;
          Value offset = e.mul(unit, shape.inputGroupBytes());
          for (Value input : inputs)
            lines.push_back(e.at(input, offset, 1));
          Value from = e.at(tile, e.mul(unit, place.unitBytes()), 1);
          auto levels = [&](int64_t step, int64_t column, unsigned term) {
            return e.load(
                VectorType::get({codes.lanes}, e.getI32Type()),
                e.at(from, place.levels(term, step, column * codes.lanes), 1));
          };
          QuantizedEmitter::Chains numbers;
          auto chains = [&](int64_t part) -> const QuantizedEmitter::Chains & {
            auto load = [&](int64_t which) {
              Emitter::Values values;
              for (int64_t c = 0; c < codes.columns; ++c)
                values.push_back(e.load(
                    e.vectorType(codes.lanes),
                    e.at(from, place.number(part, which, c * codes.lanes), 1)));
              return values;
            };
            numbers = {};
            for (int64_t term = 0; term < place.terms; ++term)
              numbers.scales.push_back(load(term));
            if (shape.format.hasMinimum)
              numbers.minimum = load(place.terms);
            return numbers;
          };
          builder.addUnit({place.parts, true, levels, chains}, lines, next);
          return next;
        };
        outputs.store(e.loop(e.index(0), units, 1, outputs.load(), addUnit));
      });
}

//===----------------------------------------------------------------------===//
// Rectangles of outputs
//===----------------------------------------------------------------------===//

namespace {

/// The kernels that a rectangle of outputs is made with.
struct ProductKernels {
  /// Numbers of rows that there are kernels for, the largest first.
  SmallVector<int64_t> tiles;
  llvm::SmallDenseMap<int64_t, func::FuncOp> packed, unpacked;
  func::FuncOp oneRow, unpack;
  /// Where many rows share one unpacking.
  std::optional<UnpackedTile> place;
};

/// Builds the body of a product with a compressed matrix.
class ProductBuilder {
public:
  ProductBuilder(Emitter &e, const Target &target, const QuantizedShape &shape,
                 const ProductKernels &kernels, bool bias, ValueRange args)
      : e(e), shape(shape), kernels(kernels),
        lanes(std::min(target.lanes(), shape.layout.tileRows)),
        tileRows(shape.layout.tileRows),
        pieceUnits(shape.cutsRecords() ? 1 : shape.layout.record.units),
        x(args[0]), ldx(args[1]), w(args[2]), b(bias ? args[3] : Value()) {
    ValueRange rest = args.drop_front(bias ? 4 : 3);
    y = rest[0], ldy = rest[1], whole = rest[2], tileBytes = rest[3],
    outputs = rest[4], rowBegin = rest[5], rowEnd = rest[6],
    blockBegin = rest[7], blockEnd = rest[8];
  }

  void emit() {
    int64_t most = kernels.tiles.front();
    panel = e.stack(most * shape.panelBytes() / 4);
    margin = e.stack(most * tileRows);
    if (kernels.place)
      unpackedTile =
          e.stack(shape.panelUnits() * kernels.place->unitBytes() / 4);
    Value first = e.mul(blockBegin, tileRows),
          last = e.min(e.mul(blockEnd, tileRows), outputs),
          width = e.sub(last, first);
    Value one = e.create<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                        e.sub(rowEnd, rowBegin), e.index(1));
    e.ifElse(
        one, [&] { multiplyRow(); }, [&] { multiplyRows(first, width); });
  }

private:
  /// Pieces [from, end) of a step in k and, if `tail` is 1, the last record.
  struct Step {
    Value from, end, tail, units;
  };

  void multiplyRow() {
    SmallVector<Value> operands{e.at(x, e.mul(rowBegin, ldx), 1), w};
    if (b)
      operands.push_back(b);
    operands.append({e.at(y, e.mul(rowBegin, ldy)), whole, tileBytes, outputs,
                     blockBegin, blockEnd});
    e.create<func::CallOp>(kernels.oneRow, operands);
  }

  /// Of outputs [first, first + width) of each row.
  void multiplyRows(Value first, Value width) {
    e.loop(rowBegin, rowEnd, 1, [&](Value row) {
      e.copy(lanes, b ? e.at(b, first) : Value(),
             e.at(y, e.add(e.mul(row, ldy), first)), width);
    });
    int64_t perStep = std::max<int64_t>(1, shape.stepUnits() / pieceUnits);
    Value total = shape.hasTail() ? e.add(whole, 1) : whole;
    Value steps = e.ceilDiv(total, e.index(perStep));
    e.loop(e.index(0), steps, 1, [&](Value number) {
      Value from = e.floorDiv(e.mul(number, total), steps),
            to = e.floorDiv(e.mul(e.add(number, 1), total), steps);
      Value end = e.min(to, whole), tail = e.sub(to, end);
      Value units = e.mul(e.sub(end, from), pieceUnits);
      if (shape.hasTail())
        units = e.add(units, e.mul(tail, shape.layout.lastRecord.units));
      Step step{from, end, tail, units};
      if (!kernels.place)
        return multiplyPacked(step);
      e.ifElse(
          e.less(e.sub(rowEnd, rowBegin), e.index(kUnpackedRows)),
          [&] { multiplyPacked(step); }, [&] { multiplyUnpacked(step); });
    });
  }

  /// Every tile of rows unpacks the codes for itself.
  void multiplyPacked(const Step &step) {
    e.cover(kernels.tiles, rowBegin, rowEnd, [&](int64_t tile, Value row) {
      Value input =
          e.at(x,
               e.add(e.mul(row, ldx),
                     e.mul(step.from, pieceUnits * shape.inputGroupBytes())),
               1);
      if (tile > 1) {
        Value words = e.mul(step.units, shape.inputGroupBytes() / 4);
        e.loop(e.index(0), e.index(tile), 1, [&](Value i) {
          e.copy(lanes, e.at(input, e.mul(ldx, i), 1),
                 e.at(panel, e.mul(i, shape.panelBytes()), 1), words);
        });
        input = panel;
      }
      e.loop(blockBegin, blockEnd, 1, [&](Value block) {
        Value matrix = e.at(w, e.mul(block, tileBytes), 1);
        Value column = e.mul(block, tileRows);
        Value output = e.at(y, e.add(e.mul(row, ldy), column));
        Value left = e.sub(outputs, column);
        Rows rows{output, ldy};
        emitWithMargin(e, lanes, tile, tileRows, left, rows, rows, margin,
                       [&](Rows, Rows to) {
                         e.create<func::CallOp>(
                             kernels.packed.at(tile),
                             ValueRange{input, matrix, to.base, to.distance,
                                        step.from, step.end, step.tail});
                       });
      });
    });
  }

  /// All rows pass by a tile of the matrix that is unpacked once.
  void multiplyUnpacked(const Step &step) {
    Value input =
        e.at(x, e.mul(step.from, pieceUnits * shape.inputGroupBytes()), 1);
    e.loop(blockBegin, blockEnd, 1, [&](Value block) {
      Value matrix = e.at(w, e.mul(block, tileBytes), 1);
      Value column = e.mul(block, tileRows);
      Value left = e.sub(outputs, column);
      e.create<func::CallOp>(
          kernels.unpack,
          ValueRange{matrix, step.from, step.end, step.tail, unpackedTile});
      e.cover(kernels.tiles, rowBegin, rowEnd, [&](int64_t tile, Value row) {
        Rows rows{e.at(y, e.add(e.mul(row, ldy), column)), ldy};
        emitWithMargin(e, lanes, tile, tileRows, left, rows, rows, margin,
                       [&](Rows, Rows to) {
                         e.create<func::CallOp>(
                             kernels.unpacked.at(tile),
                             ValueRange{e.at(input, e.mul(row, ldx), 1), ldx,
                                        unpackedTile, to.base, to.distance,
                                        step.units});
                       });
      });
    });
  }

  Emitter &e;
  const QuantizedShape &shape;
  const ProductKernels &kernels;
  int64_t lanes, tileRows;
  /// Units of a piece that k may be cut behind.
  int64_t pieceUnits;
  Value x, ldx, w, b, y, ldy, whole, tileBytes, outputs, rowBegin, rowEnd,
      blockBegin, blockEnd;
  /// Memory of the kernel: rows of a step side by side, outputs that do not fill
  /// a tile, an unpacked tile.
  Value panel, margin, unpackedTile;
};

} // namespace

func::FuncOp KernelLibrary::getQuantizedLinear(const QuantizedShape &shape,
                                               bool bias) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer, index, pointer};
  if (bias)
    types.push_back(pointer);
  types.append(
      {pointer, index, index, index, index, index, index, index, index});
  ProductKernels kernels;
  kernels.tiles = getQuantizedRowTiles(target, shape);
  for (int64_t tile : kernels.tiles)
    kernels.packed[tile] = getQuantizedTile(shape, tile);
  kernels.oneRow = getQuantizedOneRow(shape, bias);
  kernels.place = UnpackedTile::find(target, shape);
  if (kernels.place) {
    kernels.unpack = getUnpackTile(shape);
    for (int64_t tile : kernels.tiles)
      kernels.unpacked[tile] = getUnpackedTile(shape, tile);
  }
  return getOrCreate(
      getQuantizedKernelName(shape) +
          getActivationsSuffix(shape.activations).str() + (bias ? "_bias" : ""),
      types, [&](Emitter &e, ValueRange args) {
        ProductBuilder(e, target, shape, kernels, bias, args).emit();
      });
}

SmallVector<int64_t> llmc::getQuantizedRowTiles(const Target &target,
                                                const QuantizedShape &shape) {
  int64_t columns =
      std::max<int64_t>(1, shape.layout.tileRows / target.lanes());
  // For each row and register of columns one or two sums of products; the sums
  // of groups may lie in memory, which is touched once for each group. Registers
  // for the levels of each column, for an input, a product, a scale and a mask.
  bool twoSums = shape.activations == Activations::I16 &&
                 !QuantizedEmitter::addsHighBytes(target);
  int64_t most = std::clamp<int64_t>(
      (target.registers - columns - 4) / ((twoSums ? 2 : 1) * columns), 1, 12);
  SmallVector<int64_t> tiles;
  for (int64_t tile : {12, 8, 4, 2, 1})
    if (tile <= most)
      tiles.push_back(tile);
  return tiles;
}
