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
//                 (+16) i32 -(sum of q);  +20, +24: of columns 0..15 and 16..31
//
// An output is the sum over groups, in their order, of
// f32(integer dot) * (s * scale of the group) + (s * sum) * minimum of the
// group. The integers are exact, sums travel through memory unchanged where k is
// cut, and nothing depends on the tiling: a row of a prompt has the bits of a
// single token.
//
// Or the input stays in f32: a group is its 32 columns, and behind them 1 for the
// scale and their sums. An output then is the sum over groups of
// (sum over k of x * level) * scale of the group, and the term of the minimum.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;
using kern::Activations;
using kern::kInputGroup;

/// Largest magnitude of a code: with 16 bits, 256 * 127 + 127, so that neither
/// byte is out of range.
static constexpr int64_t kLargestCode = 127, kLargestWideCode = 32639;

/// A group of at most so many units is written out; a longer one is a loop.
static constexpr int64_t kUnrolledUnits = 2;

static std::string getKernelName(const QuantizedShape &shape) {
  std::string name = "kern_q_" + shape.format.name + "_r" +
                     std::to_string(shape.layout.tileRows) + "_" +
                     shape.getVariant();
  llvm::replace(name, '.', '_');
  llvm::replace(name, '-', '_');
  return name;
}

static StringRef getSuffix(Activations activations) {
  switch (activations) {
  case Activations::I8:
    return "";
  case Activations::I16:
    return "_a16";
  case Activations::F32:
    return "_af32";
  }
  llvm_unreachable("no such activations");
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

namespace {

/// Builds the body of a kernel that turns a row into groups.
class RowBuilder {
public:
  RowBuilder(Emitter &e, const Target &target, Activations activations)
      : e(e), activations(activations), places(activations),
        lanes(std::min<int64_t>(target.lanes(), 16)),
        parts(kInputGroup / lanes) {}

  /// All columns of a group, or what is left of them. `t` may be null.
  void addGroup(Value x, Value t, Value q, Value unit, Value left) {
    Value begin = e.mul(unit, kInputGroup);
    Emitter::Values values;
    for (int64_t p = 0; p < parts; ++p) {
      auto read = [&](Value base) {
        Value from = e.at(base, e.add(begin, p * lanes));
        if (!left)
          return e.load(e.vectorType(lanes), from);
        Value count = e.sub(e.toInt32(left), e.splatInt(0, p * lanes));
        return e.loadMasked(lanes, from, e.mask(lanes, count));
      };
      Value value = read(x);
      values.push_back(t ? e.mul(value, read(t)) : value);
    }
    Value to = e.at(q, e.mul(unit, kern::getInputGroupBytes(activations)), 1);
    if (activations == Activations::F32)
      storeReals(values, to);
    else
      storeCodes(values, to);
  }

private:
  void storeReals(ArrayRef<Value> values, Value to) {
    Value halves[2] = {};
    for (int64_t p = 0; p < parts; ++p) {
      e.store(values[p], e.at(to, p * lanes));
      Value &half = halves[p >= parts / 2];
      half = half ? e.add(half, values[p]) : values[p];
    }
    Value first = e.reduceAdd(halves[0]), second = e.reduceAdd(halves[1]);
    e.store(e.f32(1), e.at(to, places.scale, 1));
    Value stored[] = {e.add(first, second), first, second};
    for (auto [i, sum] : llvm::enumerate(stored))
      e.store(sum, e.at(to, places.scaledSums + 4 * i, 1));
  }

  void storeCodes(ArrayRef<Value> values, Value to) {
    Type words = VectorType::get({lanes}, e.getI32Type());
    int64_t limit =
        activations == Activations::I8 ? kLargestCode : kLargestWideCode;
    double largestCode = static_cast<double>(limit);
    Value most;
    for (Value value : values) {
      Value size = e.create<LLVM::FAbsOp>(value);
      most = most ? e.max(most, size) : size;
    }
    Value largest = e.reduceMax(most);
    Value scale = e.mul(largest, e.f32(1 / largestCode));
    // The reciprocal of what is smaller would not be finite.
    Value some = e.less(e.f32(0x1p-100), largest);
    Value inverse = e.create<arith::SelectOp>(
        some, e.create<arith::DivFOp>(e.f32(largestCode), largest), e.f32(0));
    Value factor = e.broadcast(inverse, lanes),
          magic = e.splat(lanes, 0x1.8p23);
    Value sums[2] = {};
    for (int64_t p = 0; p < parts; ++p) {
      // Rounds to the nearest, halves to even: a sum of that size has no bits
      // behind the point.
      Value code = e.create<arith::FPToSIOp>(
          words, e.sub(e.add(e.mul(values[p], factor), magic), magic));
      // Rounding of the reciprocal may give one more than the largest.
      code = e.create<arith::MaxSIOp>(
          e.create<arith::MinSIOp>(code, e.splatInt(lanes, limit)),
          e.splatInt(lanes, -limit));
      storeBytes(code, e.at(to, p * lanes, 1));
      Value &sum = sums[p >= parts / 2];
      sum = sum ? e.add(sum, code) : code;
    }
    Value first =
        e.create<vector::ReductionOp>(vector::CombiningKind::ADD, sums[0]);
    Value second =
        e.create<vector::ReductionOp>(vector::CombiningKind::ADD, sums[1]);
    Value all = e.add(first, second), zero = e.splatInt(0, 0);
    e.store(scale, e.at(to, places.scale, 1));
    Value stored[] = {all, first, second};
    for (auto [i, sum] : llvm::enumerate(stored)) {
      Value real = e.create<arith::SIToFPOp>(e.getF32Type(), sum);
      e.store(e.mul(real, scale), e.at(to, places.scaledSums + 4 * i, 1));
      e.store(e.sub(zero, sum), e.at(to, places.negatedSums + 4 * i, 1));
    }
  }

  void storeBytes(Value code, Value to) {
    Type bytes = VectorType::get({lanes}, e.getI8Type());
    Value low = code;
    if (activations == Activations::I16) {
      // The low byte has a sign, too: the nearest multiple of 256 is taken off.
      Value eight = e.splatInt(lanes, 8);
      Value high =
          e.create<arith::ShRSIOp>(e.add(code, e.splatInt(lanes, 128)), eight);
      e.store(e.create<arith::TruncIOp>(bytes, high), to, 1);
      low = e.sub(code, e.create<arith::ShLIOp>(high, eight));
      to = e.at(to, kInputGroup, 1);
    }
    e.store(e.create<arith::TruncIOp>(bytes, low), to, 1);
  }

  Emitter &e;
  Activations activations;
  InputPlaces places;
  int64_t lanes, parts;
};

} // namespace

func::FuncOp KernelLibrary::getQuantizeRow(Activations activations,
                                           bool scaled) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer};
  if (scaled)
    types.push_back(pointer);
  types.append({pointer, index});
  std::string name = scaled ? "kern_quantize_scaled" : "kern_quantize";
  return getOrCreate(name + getSuffix(activations).str(), types,
                     [&](Emitter &e, ValueRange args) {
                       Value x = args[0], t = scaled ? args[1] : Value(),
                             q = args[args.size() - 2], columns = args.back();
                       RowBuilder row(e, target, activations);
                       Value whole = e.floorDiv(columns, e.index(kInputGroup));
                       e.loop(e.index(0), whole, 1, [&](Value unit) {
                         row.addGroup(x, t, q, unit, Value());
                       });
                       Value left = e.sub(columns, e.mul(whole, kInputGroup));
                       e.ifThen(e.less(e.index(0), left),
                                [&] { row.addGroup(x, t, q, whole, left); });
                     });
}

//===----------------------------------------------------------------------===//
// A tile of outputs
//===----------------------------------------------------------------------===//

namespace {

/// Builds the body of a tile kernel: `rows` rows of the input against one tile
/// of the matrix.
class TileBuilder {
public:
  TileBuilder(Emitter &e, const Target &target, const QuantizedShape &shape,
              int64_t rows, Value x)
      : e(e), shape(shape), codes(e, target, shape), places(shape.activations),
        input(x), sharesSums(QuantizedEmitter::addsHighBytes(target)),
        rows(rows) {
    lanes = codes.lanes;
    columns = codes.columns;
  }

  /// Adds one record, whose input begins at unit `unit` of the panel.
  void addRecord(const RecordPlan &plan, Value head, Value record, Value unit,
                 Emitter::Values &sums) {
    int64_t groupColumns = shape.layout.groups == 1 ? plan.units * kUnitColumns
                                                    : shape.format.groupSize;
    if (plan.groups == 1 && plan.units > kUnrolledUnits)
      return addUnits(plan, head, record, e.index(0), e.index(plan.units), unit,
                      sums);
    for (int64_t u = 0; u < plan.units; ++u) {
      int64_t first = u * kUnitColumns / groupColumns,
              last = std::min((u * kUnitColumns + 16) / groupColumns,
                              plan.groups - 1);
      auto chains = codes.loadChains(plan, head, record, first);
      Value place = e.add(unit, u);
      if (first == last) {
        addUnit(codes.atUnit(record, u), place, {&chains}, sums);
      } else {
        auto second = codes.loadChains(plan, head, record, last);
        addUnit(codes.atUnit(record, u), place, {&chains, &second}, sums);
      }
    }
  }

  /// Adds units [begin, end) of a record that is one group. The input of the
  /// first is at unit `unit` of the panel.
  void addUnits(const RecordPlan &plan, Value head, Value record, Value begin,
                Value end, Value unit, Emitter::Values &sums) {
    auto chains = codes.loadChains(plan, head, record, 0);
    sums = e.loop(begin, end, 1, sums, [&](Value u, ValueRange previous) {
      Emitter::Values next(previous);
      addUnit(codes.atUnit(record, u), e.add(unit, e.sub(u, begin)), {&chains},
              next);
      return next;
    });
  }

private:
  /// A number of the input in every lane.
  Value readInput(Type type, Value line, int64_t place) {
    return e.broadcast(e.load(type, e.at(line, place, 1)), lanes);
  }

  /// Adds 32 columns: one group of the matrix, or two halves.
  void addUnit(Value stored, Value unit,
               ArrayRef<const QuantizedEmitter::Chains *> parts,
               Emitter::Values &sums) {
    Value offset = e.mul(unit, shape.inputGroupBytes());
    Emitter::Values lines;
    for (int64_t i = 0; i < rows; ++i)
      lines.push_back(i ? e.at(lines[0], i * shape.panelBytes(), 1)
                        : e.at(input, offset, 1));
    int64_t steps = kUnitColumns / kStepColumns / parts.size();
    auto pieces = codes.loadPieces(stored);
    for (auto [part, chains] : llvm::enumerate(parts)) {
      // Which of the three sums of the input belongs to this part.
      int64_t which = parts.size() == 1 ? 0 : 1 + part;
      for (unsigned term = 0; term < shape.format.terms.size(); ++term) {
        int64_t first = part * steps;
        Emitter::Values dots =
            shape.activations == Activations::F32
                ? multiplyReals(pieces, first, first + steps, term, lines)
                : multiplyCodes(pieces, first, first + steps, term, lines,
                                which);
        for (int64_t i = 0; i < rows; ++i) {
          Value scale;
          if (shape.activations != Activations::F32)
            scale = readInput(e.getF32Type(), lines[i], places.scale);
          for (int64_t c = 0; c < columns; ++c) {
            Value &sum = sums[i * columns + c];
            Value factor = chains->scales[term][c];
            sum = e.fma(dots[i * columns + c],
                        scale ? e.mul(factor, scale) : factor, sum);
          }
        }
      }
      if (!shape.format.hasMinimum)
        continue;
      for (int64_t i = 0; i < rows; ++i) {
        Value sum =
            readInput(e.getF32Type(), lines[i], places.scaledSums + 4 * which);
        for (int64_t c = 0; c < columns; ++c) {
          Value &out = sums[i * columns + c];
          out = e.fma(chains->minimum[c], sum, out);
        }
      }
    }
  }

  /// Sums of code times level over the k-steps [first, last), as reals.
  Emitter::Values multiplyCodes(const QuantizedEmitter::Pieces &pieces,
                                int64_t first, int64_t last, unsigned term,
                                ArrayRef<Value> lines, int64_t which) {
    int64_t shift = codes.getOffsetShift(term);
    bool wide = shape.activations == Activations::I16;
    // Sums of high bytes, where they need their own.
    Emitter::Values dots, highDots;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < columns; ++c) {
        if (wide && !sharesSums)
          highDots.push_back(e.splatInt(lanes, 0));
        if (shift < 0) {
          dots.push_back(e.splatInt(lanes, 0));
          continue;
        }
        Value sum =
            readInput(e.getI32Type(), lines[i], places.negatedSums + 4 * which);
        dots.push_back(
            shift ? e.create<arith::ShLIOp>(sum, e.splatInt(lanes, shift))
                  : sum);
      }
    for (int64_t step = first; step < last; ++step) {
      Emitter::Values levels = emitLevels(pieces, step, term);
      for (int64_t i = 0; i < rows; ++i) {
        int64_t place = step * kStepColumns;
        Value bytes = readInput(e.getI32Type(), lines[i], place), low;
        if (wide)
          low = readInput(e.getI32Type(), lines[i], kInputGroup + place);
        for (int64_t c = 0; c < columns; ++c) {
          Value &dot = dots[i * columns + c];
          if (wide) {
            Value &high = sharesSums ? dot : highDots[i * columns + c];
            high = codes.emitDot4(high, levels[c], bytes, term, sharesSums);
          }
          dot = codes.emitDot4(dot, levels[c], wide ? low : bytes, term);
        }
      }
    }
    for (auto [i, dot] : llvm::enumerate(dots)) {
      if (!highDots.empty())
        dot = e.add(dot,
                    e.create<arith::ShLIOp>(highDots[i], e.splatInt(lanes, 8)));
      dot = e.create<arith::SIToFPOp>(e.vectorType(lanes), dot);
    }
    return dots;
  }

  /// The same of an input that is not rounded.
  Emitter::Values multiplyReals(const QuantizedEmitter::Pieces &pieces,
                                int64_t first, int64_t last, unsigned term,
                                ArrayRef<Value> lines) {
    Emitter::Values dots(rows * columns, e.splat(lanes, 0));
    for (int64_t step = first; step < last; ++step) {
      Emitter::Values levels = emitLevels(pieces, step, term);
      for (int64_t byte = 0; byte < kStepColumns; ++byte) {
        Emitter::Values reals;
        for (Value level : levels)
          reals.push_back(
              codes.emitLevel(level, byte, term, e.vectorType(lanes)));
        for (int64_t i = 0; i < rows; ++i) {
          Value x = readInput(e.getF32Type(), lines[i],
                              (step * kStepColumns + byte) * 4);
          for (int64_t c = 0; c < columns; ++c) {
            Value &dot = dots[i * columns + c];
            dot = e.fma(reals[c], x, dot);
          }
        }
      }
    }
    return dots;
  }

  Emitter::Values emitLevels(const QuantizedEmitter::Pieces &pieces,
                             int64_t step, unsigned term) {
    Emitter::Values levels;
    for (int64_t c = 0; c < columns; ++c)
      levels.push_back(codes.emitLevels(pieces, step, c, term));
    return levels;
  }

  Emitter &e;
  const QuantizedShape &shape;
  QuantizedEmitter codes;
  InputPlaces places;
  Value input;
  /// Whether products of high and low bytes go to one sum.
  bool sharesSums;
  int64_t rows, lanes, columns;
};

} // namespace

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
      getKernelName(shape) + getSuffix(shape.activations).str() + "_m" +
          std::to_string(rows),
      {pointer, pointer, pointer, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], tile = args[1], y = args[2], ldy = args[3],
              first = args[4], last = args[5], tail = args[6];
        const PackedLayout &layout = shape.layout;
        TileBuilder builder(e, target, shape, rows, x);
        int64_t lanes = std::min(target.lanes(), shape.layout.tileRows),
                columns = shape.layout.tileRows / lanes;
        Emitter::Values outputs, sums;
        for (int64_t i = 0; i < rows; ++i) {
          outputs.push_back(i ? e.at(y, e.mul(ldy, i)) : y);
          for (int64_t c = 0; c < columns; ++c)
            sums.push_back(
                e.load(e.vectorType(lanes), e.at(outputs[i], c * lanes)));
        }
        Value records = e.at(tile, layout.headBytes, 1);
        if (shape.cutsRecords()) {
          builder.addUnits(layout.lastRecord, tile, records, first, last,
                           e.index(0), sums);
        } else {
          sums =
              e.loop(first, last, 1, sums, [&](Value r, ValueRange previous) {
                Emitter::Values next(previous);
                Value record = e.at(records, e.mul(r, layout.record.bytes), 1);
                Value unit = e.mul(e.sub(r, first), layout.record.units);
                builder.addRecord(layout.record, tile, record, unit, next);
                return next;
              });
          if (shape.hasTail()) {
            Value record = e.at(records, e.mul(last, layout.record.bytes), 1);
            Value unit = e.mul(e.sub(last, first), layout.record.units);
            // One turn or none.
            sums = e.loop(e.index(0), tail, 1, sums,
                          [&](Value, ValueRange previous) {
                            Emitter::Values next(previous);
                            builder.addRecord(layout.lastRecord, tile, record,
                                              unit, next);
                            return next;
                          });
          }
        }
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t c = 0; c < columns; ++c)
            e.store(sums[i * columns + c], e.at(outputs[i], c * lanes));
      });
}

//===----------------------------------------------------------------------===//
// Rectangles of outputs
//===----------------------------------------------------------------------===//

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
  SmallVector<int64_t> tiles = getQuantizedRowTiles(target, shape);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t tile : tiles)
    kernels[tile] = getQuantizedTile(shape, tile);
  int64_t lanes = std::min(target.lanes(), shape.layout.tileRows),
          tileRows = shape.layout.tileRows;
  return getOrCreate(
      getKernelName(shape) + getSuffix(shape.activations).str() +
          (bias ? "_bias" : ""),
      types, [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], w = args[2],
              b = bias ? args[3] : Value();
        ValueRange rest = args.drop_front(bias ? 4 : 3);
        Value y = rest[0], ldy = rest[1], whole = rest[2], tileBytes = rest[3],
              outputs = rest[4], rowBegin = rest[5], rowEnd = rest[6],
              blockBegin = rest[7], blockEnd = rest[8];
        Value panel = e.stack(tiles.front() * shape.panelBytes() / 4);
        Value margin = e.stack(tiles.front() * tileRows);
        Value first = e.mul(blockBegin, tileRows),
              last = e.min(e.mul(blockEnd, tileRows), outputs),
              width = e.sub(last, first);
        e.loop(rowBegin, rowEnd, 1, [&](Value row) {
          e.copy(lanes, b ? e.at(b, first) : Value(),
                 e.at(y, e.add(e.mul(row, ldy), first)), width);
        });
        int64_t pieceUnits =
            shape.cutsRecords() ? 1 : shape.layout.record.units;
        int64_t perStep = std::max<int64_t>(1, shape.stepUnits() / pieceUnits);
        Value total = shape.hasTail() ? e.add(whole, 1) : whole;
        Value steps = e.ceilDiv(total, e.index(perStep));
        e.loop(e.index(0), steps, 1, [&](Value step) {
          Value from = e.floorDiv(e.mul(step, total), steps),
                to = e.floorDiv(e.mul(e.add(step, 1), total), steps);
          Value end = e.min(to, whole), tail = e.sub(to, end);
          Value units = e.mul(e.sub(end, from), pieceUnits);
          if (shape.hasTail())
            units = e.add(units, e.mul(tail, shape.layout.lastRecord.units));
          auto emitTile = [&](int64_t tile, Value row) {
            Value input =
                e.at(x,
                     e.add(e.mul(row, ldx),
                           e.mul(from, pieceUnits * shape.inputGroupBytes())),
                     1);
            if (tile > 1) {
              Value words = e.mul(units, shape.inputGroupBytes() / 4);
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
                                   kernels[tile],
                                   ValueRange{input, matrix, to.base,
                                              to.distance, from, end, tail});
                             });
            });
          };
          e.cover(tiles, rowBegin, rowEnd, emitTile);
        });
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

//===----------------------------------------------------------------------===//
// One row as it is
//===----------------------------------------------------------------------===//

func::FuncOp KernelLibrary::getQuantizedGather(const QuantizedShape &shape) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  const PackedLayout &layout = shape.layout;
  return getOrCreate(
      getKernelName(shape) + "_gather_k" + std::to_string(layout.columns),
      {pointer, index, pointer, index}, [&](Emitter &e, ValueRange args) {
        Value w = args[0], id = args[1], y = args[2], rows = args[3];
        Value zero = e.index(0);
        Value row = e.clampId(id, rows);
        Value block = e.floorDiv(row, e.index(shape.layout.tileRows));
        Value head = e.at(w, e.mul(block, layout.tileBytes), 1);
        QuantizedEmitter codes(e, target, shape,
                               e.sub(row, e.mul(block, shape.layout.tileRows)));
        Value records = e.at(head, layout.headBytes, 1);

        // `count` columns of a unit, which begins at column `place` of the row.
        auto emitUnit =
            [&](Value stored, Value place, int64_t count,
                function_ref<const QuantizedEmitter::Chains &(int64_t)>
                    chainsOf) {
              auto pieces = codes.loadPieces(stored);
              for (int64_t step = 0; step * kStepColumns < count; ++step) {
                const auto &chains = chainsOf(step * kStepColumns);
                Emitter::Values sums(kStepColumns);
                for (unsigned term = 0; term < shape.format.terms.size();
                     ++term) {
                  Value levels = codes.emitLevels(pieces, step, 0, term);
                  for (int64_t b = 0; b < kStepColumns; ++b)
                    sums[b] = codes.emitValue(chains, levels, b, term, sums[b]);
                }
                for (int64_t b = 0; b < kStepColumns; ++b) {
                  if (step * kStepColumns + b >= count)
                    break;
                  Value value = sums[b];
                  if (shape.format.hasMinimum)
                    value = e.add(value, chains.minimum[0]);
                  value = e.create<arith::TruncFOp>(e.vectorType(1), value);
                  e.store(value,
                          e.at(y, e.add(place, step * kStepColumns + b)));
                }
              }
            };
        auto emitRecord = [&](const RecordPlan &plan, Value record, Value place,
                              int64_t columns) {
          int64_t size = plan.groups == 1 ? columns : shape.format.groupSize;
          llvm::SmallDenseMap<int64_t, QuantizedEmitter::Chains> loaded;
          for (int64_t g = 0; g < plan.groups; ++g)
            loaded[g] = codes.loadChains(plan, head, record, g);
          auto unit = [&](Value stored, Value at, int64_t first,
                          int64_t count) {
            emitUnit(stored, at, count,
                     [&](int64_t c) -> const QuantizedEmitter::Chains & {
                       return loaded
                           .find(std::min((first + c) / size, plan.groups - 1))
                           ->second;
                     });
          };
          if (plan.groups == 1) {
            int64_t whole = columns / kUnitColumns;
            e.loop(zero, e.index(whole), 1, [&](Value u) {
              unit(codes.atUnit(record, u),
                   e.add(place, e.mul(u, kUnitColumns)), 0, kUnitColumns);
            });
            if (int64_t left = columns % kUnitColumns)
              unit(codes.atUnit(record, whole),
                   e.add(place, whole * kUnitColumns), 0, left);
            return;
          }
          for (int64_t u = 0; u < plan.units; ++u)
            unit(codes.atUnit(record, u), e.add(place, u * kUnitColumns),
                 u * kUnitColumns,
                 std::min(kUnitColumns, columns - u * kUnitColumns));
        };
        int64_t recordColumns =
            layout.records == 1
                ? layout.columns
                : layout.groupsPerRecord * shape.format.groupSize;
        e.loop(zero, e.index(layout.records - 1), 1, [&](Value r) {
          emitRecord(layout.record,
                     e.at(records, e.mul(r, layout.record.bytes), 1),
                     e.mul(r, recordColumns), recordColumns);
        });
        int64_t before = layout.records - 1;
        emitRecord(layout.lastRecord,
                   e.at(records, before * layout.record.bytes, 1),
                   e.index(before * recordColumns),
                   layout.columns - before * recordColumns);
      });
}
