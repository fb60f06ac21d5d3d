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
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;
using kern::Activations;
using kern::kInputGroup;

/// A group of at most so many units is written out; a longer one is a loop.
static constexpr int64_t kUnrolledUnits = 2;

/// So many k-steps in sums of sixteen bits are few.
static constexpr int64_t kFewPairSteps = 2;

/// So many rows are worth unpacking the codes of a tile for.
static constexpr int64_t kUnpackedRows = 8;

static constexpr int64_t kCacheLine = 64;

/// A single token reads every byte of a matrix once, and unpacking takes about as
/// long as memory does: only what was asked for before comes meanwhile. So many
/// bytes are on their way.
static constexpr int64_t kAhead = 2560;

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

namespace {

/// What is done with 32 columns of a tile: its stored bytes, its unit counted
/// from the first of a step, the numbers of its one group or of two halves, and
/// the values that travel from unit to unit.
using VisitUnit = function_ref<void(
    Value stored, Value unit, ArrayRef<const QuantizedEmitter::Chains *> parts,
    Emitter::Values &values)>;

/// Goes through the units of a tile in the order in which they are stored.
class TileWalker {
public:
  /// With `ahead` not 0, bytes are asked for that long before they are read.
  TileWalker(Emitter &e, const QuantizedShape &shape, QuantizedEmitter &codes,
             VisitUnit visit, int64_t ahead = 0)
      : e(e), shape(shape), codes(codes), visit(visit), ahead(ahead) {}

  /// The records [first, last) and, where `tail` is not 0, the last, shorter one.
  /// Where the matrix has one group a row: units [first, last).
  Emitter::Values walk(Value tile, Value first, Value last, Value tail,
                       Emitter::Values values) {
    const PackedLayout &layout = shape.layout;
    Value records = e.at(tile, layout.headBytes, 1);
    fetch(tile, layout.headBytes);
    if (shape.cutsRecords()) {
      addUnits(layout.lastRecord, tile, records, first, last, e.index(0),
               values);
      return values;
    }
    values = e.loop(first, last, 1, values, [&](Value r, ValueRange previous) {
      Emitter::Values next(previous);
      Value record = e.at(records, e.mul(r, layout.record.bytes), 1);
      Value unit = e.mul(e.sub(r, first), layout.record.units);
      addRecord(layout.record, tile, record, unit, next);
      return next;
    });
    if (!shape.hasTail())
      return values;
    Value record = e.at(records, e.mul(last, layout.record.bytes), 1);
    Value unit = e.mul(e.sub(last, first), layout.record.units);
    // One turn or none.
    return e.loop(e.index(0), tail, 1, values, [&](Value, ValueRange previous) {
      Emitter::Values next(previous);
      addRecord(layout.lastRecord, tile, record, unit, next);
      return next;
    });
  }

private:
  /// One record, which begins at unit `unit`.
  void addRecord(const RecordPlan &plan, Value head, Value record, Value unit,
                 Emitter::Values &values) {
    int64_t groupColumns = shape.layout.groups == 1 ? plan.units * kUnitColumns
                                                    : shape.format.groupSize;
    if (plan.groups == 1 && plan.units > kUnrolledUnits) {
      fetch(record, plan.bytes);
      return addUnits(plan, head, record, e.index(0), e.index(plan.units), unit,
                      values);
    }
    for (int64_t u = 0; u < plan.units; ++u) {
      fetch(record, plan.bytes, u, plan.units);
      int64_t first = u * kUnitColumns / groupColumns,
              last = std::min((u * kUnitColumns + 16) / groupColumns,
                              plan.groups - 1);
      auto chains = codes.loadChains(plan, head, record, first);
      Value place = e.add(unit, u);
      if (first == last) {
        visit(codes.atUnit(record, u), place, {&chains}, values);
      } else {
        auto second = codes.loadChains(plan, head, record, last);
        visit(codes.atUnit(record, u), place, {&chains, &second}, values);
      }
    }
  }

  /// Units [begin, end) of a record that is one group, from unit `unit` on.
  void addUnits(const RecordPlan &plan, Value head, Value record, Value begin,
                Value end, Value unit, Emitter::Values &values) {
    auto chains = codes.loadChains(plan, head, record, 0);
    values = e.loop(begin, end, 1, values, [&](Value u, ValueRange previous) {
      Emitter::Values next(previous);
      Value stored = codes.atUnit(record, u);
      if (shape.cutsRecords())
        fetch(stored, shape.layout.unitBytes);
      visit(stored, e.add(unit, e.sub(u, begin)), {&chains}, next);
      return next;
    });
  }

  /// Asks for what lies `ahead` of the next `bytes`, for part `part` of `parts`.
  /// Every byte of a tile must be asked for: the few that are not cost as much as
  /// all others. Behind the matrix, too: addresses that are none do no harm.
  void fetch(Value from, int64_t bytes, int64_t part = 0, int64_t parts = 1) {
    if (!ahead)
      return;
    // Schedulers would move all requests to the first: more than a core can have
    // under way.
    if (part)
      e.create<LLVM::InlineAsmOp>(
          TypeRange{}, ValueRange{}, "", "~{memory}",
          /*has_side_effects=*/true, /*is_align_stack=*/false,
          LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
    int64_t lines = llvm::divideCeil(bytes, kCacheLine);
    for (int64_t line = lines * part / parts; line < lines * (part + 1) / parts;
         ++line)
      e.create<LLVM::Prefetch>(e.at(from, ahead + line * kCacheLine, 1),
                               /*rw=*/0, /*hint=*/3, /*cache=*/1);
  }

  Emitter &e;
  const QuantizedShape &shape;
  QuantizedEmitter &codes;
  VisitUnit visit;
  int64_t ahead;
};

/// Where a product gets the levels of a k-step, one register of rows, and the
/// numbers of a part of a unit from.
struct UnitSource {
  int64_t parts;
  /// Whether levels are read from memory, step by step, for all rows at once.
  bool unpacked;
  function_ref<Value(int64_t step, int64_t column, unsigned term)> levels;
  function_ref<const QuantizedEmitter::Chains &(int64_t part)> chains;
};

/// Multiplies `rows` rows of the input with 32 columns of a tile.
class TileBuilder {
public:
  TileBuilder(Emitter &e, const Target &target, const QuantizedShape &shape,
              int64_t rows, QuantizedEmitter &codes)
      : e(e), shape(shape), codes(codes), places(shape.activations),
        sharesSums(QuantizedEmitter::addsHighBytes(target)), rows(rows),
        lanes(codes.lanes), columns(codes.columns) {}

  /// Adds a unit to `sums`. `lines` are the groups of the input rows.
  void addUnit(const UnitSource &source, ArrayRef<Value> lines,
               Emitter::Values &sums) {
    int64_t steps = kUnitColumns / kStepColumns / source.parts;
    for (int64_t part = 0; part < source.parts; ++part) {
      // Which of the three sums of the input belongs to this part.
      int64_t which = source.parts == 1 ? 0 : 1 + part;
      for (unsigned term = 0; term < shape.format.terms.size(); ++term) {
        int64_t first = part * steps;
        Emitter::Values dots =
            kern::areReals(shape.activations)
                ? multiplyReals(source, first, first + steps, term, lines)
                : multiplyCodes(source, first, first + steps, term, lines,
                                which);
        const auto &chains = source.chains(part);
        for (int64_t i = 0; i < rows; ++i) {
          Value scale;
          if (!kern::areReals(shape.activations))
            scale = readInput(e.getF32Type(), lines[i], places.scale);
          for (int64_t c = 0; c < columns; ++c) {
            Value &sum = sums[i * columns + c];
            Value factor = chains.scales[term][c];
            sum = e.fma(dots[i * columns + c],
                        scale ? e.mul(factor, scale) : factor, sum);
          }
        }
      }
      if (!shape.format.hasMinimum)
        continue;
      const auto &chains = source.chains(part);
      for (int64_t i = 0; i < rows; ++i) {
        Value sum =
            readInput(e.getF32Type(), lines[i], places.scaledSums + 4 * which);
        for (int64_t c = 0; c < columns; ++c) {
          Value &out = sums[i * columns + c];
          out = e.fma(chains.minimum[c], sum, out);
        }
      }
    }
  }

private:
  /// A number of the input in every lane.
  Value readInput(Type type, Value line, int64_t place) {
    return e.broadcast(e.load(type, e.at(line, place, 1)), lanes);
  }

  /// Sums of code times level over the k-steps [first, last), as reals.
  Emitter::Values multiplyCodes(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                ArrayRef<Value> lines, int64_t which) {
    int64_t shift = codes.getOffsetShift(term);
    auto correction = [&](int64_t row) {
      if (shift < 0)
        return e.splatInt(lanes, 0);
      Value sum =
          readInput(e.getI32Type(), lines[row], places.negatedSums + 4 * which);
      return shift ? e.create<arith::ShLIOp>(sum, e.splatInt(lanes, shift))
                   : sum;
    };
    bool wide = shape.activations == Activations::I16;
    Emitter::Values dots = !wide && codes.getPairSteps(term) > 1
                               ? addPairs(source, first, last, term, lines)
                               : Emitter::Values();
    bool paired = !dots.empty();
    for (int64_t i = 0; i < rows; ++i) {
      Value sum = correction(i);
      for (int64_t c = 0; c < columns; ++c)
        if (paired)
          dots[i * columns + c] = e.add(dots[i * columns + c], sum);
        else
          dots.push_back(sum);
    }
    if (!paired)
      addDots(source, first, last, term, lines, dots);
    for (Value &dot : dots)
      dot = e.create<arith::SIToFPOp>(e.vectorType(lanes), dot);
    return dots;
  }

  /// Adds in sixteen bits as long as the range of levels allows. What corrects
  /// the sums comes last: sums in 32 bits then need no registers on the way.
  Emitter::Values addPairs(const UnitSource &source, int64_t first,
                           int64_t last, unsigned term, ArrayRef<Value> lines) {
    int64_t most = codes.getPairSteps(term);
    if (most <= kFewPairSteps)
      return addShortPairs(source, first, last, term, lines, most);
    Emitter::Values dots(rows * columns);
    for (int64_t begin = first; begin < last; begin += most) {
      Emitter::Values pairs(rows * columns);
      for (int64_t step = begin; step < std::min(begin + most, last); ++step) {
        Emitter::Values levels = getLevels(source, step, term);
        for (int64_t i = 0; i < rows; ++i) {
          Value bytes =
              readInput(e.getI32Type(), lines[i], step * kStepColumns);
          for (int64_t c = 0; c < columns; ++c) {
            Value &sum = pairs[i * columns + c];
            sum = codes.emitPairs(sum, levels[c], bytes, term);
          }
        }
        if (source.unpacked)
          keepTogether(pairs);
      }
      for (auto [dot, sum] : llvm::zip_equal(dots, pairs))
        dot = codes.addPairs(dot, sum);
    }
    return dots;
  }

  /// The same where the range allows few steps: sums in both widths would take
  /// more registers than the levels of these steps do, so one output after the
  /// other is finished.
  Emitter::Values addShortPairs(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                ArrayRef<Value> lines, int64_t most) {
    Emitter::Values dots(rows * columns);
    for (int64_t begin = first; begin < last; begin += most) {
      int64_t count = std::min(most, last - begin);
      SmallVector<Emitter::Values, kFewPairSteps> levels;
      for (int64_t s = 0; s < count; ++s)
        levels.push_back(getLevels(source, begin + s, term));
      for (int64_t i = 0; i < rows; ++i) {
        Emitter::Values bytes;
        for (int64_t s = 0; s < count; ++s)
          bytes.push_back(
              readInput(e.getI32Type(), lines[i], (begin + s) * kStepColumns));
        for (int64_t c = 0; c < columns; ++c) {
          Value pairs;
          for (int64_t s = 0; s < count; ++s)
            pairs = codes.emitPairs(pairs, levels[s][c], bytes[s], term);
          Value &dot = dots[i * columns + c];
          dot = codes.addPairs(dot, pairs);
        }
      }
      if (source.unpacked)
        keepTogether(dots);
    }
    return dots;
  }

  /// Adds every k-step in 32 bits.
  void addDots(const UnitSource &source, int64_t first, int64_t last,
               unsigned term, ArrayRef<Value> lines, Emitter::Values &dots) {
    bool wide = shape.activations == Activations::I16;
    // Sums of high bytes, where they need their own.
    Emitter::Values highDots;
    if (wide && !sharesSums)
      highDots.assign(rows * columns, e.splatInt(lanes, 0));
    for (int64_t step = first; step < last; ++step) {
      Emitter::Values levels = getLevels(source, step, term);
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
      if (source.unpacked)
        keepTogether(dots);
    }
    for (auto [i, high] : llvm::enumerate(highDots))
      dots[i] =
          e.add(dots[i], e.create<arith::ShLIOp>(high, e.splatInt(lanes, 8)));
  }

  /// Column `column` of a group of reals in every lane.
  Value readReal(Value line, int64_t column) {
    if (shape.activations == Activations::F32)
      return readInput(e.getF32Type(), line, column * 4);
    // In both halves of every lane; the upper one is the number.
    Value bits = e.load(e.getI16Type(), e.at(line, column, 2), 2);
    Value both = e.create<vector::BitCastOp>(
        VectorType::get({lanes}, e.getI32Type()), e.broadcast(bits, 2 * lanes));
    return e.create<arith::BitcastOp>(
        e.vectorType(lanes),
        e.create<arith::AndIOp>(both, e.splatInt(lanes, -65536)));
  }

  /// Sums of number times level over the k-steps [first, last).
  Emitter::Values multiplyReals(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                ArrayRef<Value> lines) {
    Emitter::Values dots(rows * columns, e.splat(lanes, 0));
    for (int64_t step = first; step < last; ++step) {
      Emitter::Values levels = getLevels(source, step, term);
      for (int64_t byte = 0; byte < kStepColumns; ++byte) {
        Emitter::Values reals;
        for (Value level : levels)
          reals.push_back(
              codes.emitLevel(level, byte, term, e.vectorType(lanes)));
        for (int64_t i = 0; i < rows; ++i) {
          Value x = readReal(lines[i], step * kStepColumns + byte);
          for (int64_t c = 0; c < columns; ++c) {
            Value &dot = dots[i * columns + c];
            dot = e.fma(reals[c], x, dot);
          }
        }
      }
    }
    return dots;
  }

  /// All sums are in registers at once here. Left alone, LLVM finishes one sum
  /// after the other and keeps the levels and inputs of all steps on the stack.
  void keepTogether(Emitter::Values &sums) {
    std::string constraints;
    SmallVector<Type> types;
    for (Value sum : sums) {
      constraints += "=x,";
      types.push_back(sum.getType());
    }
    for (size_t i = 0; i < sums.size(); ++i)
      constraints += (i ? "," : "") + std::to_string(i);
    Type all = sums.size() == 1
                   ? types[0]
                   : LLVM::LLVMStructType::getLiteral(e.getContext(), types);
    Value same = e.create<LLVM::InlineAsmOp>(
                      all, sums, "", constraints, /*has_side_effects=*/false,
                      /*is_align_stack=*/false, LLVM::TailCallKind::None,
                      LLVM::AsmDialectAttr(), ArrayAttr())
                     .getResult(0);
    if (sums.size() == 1) {
      sums[0] = same;
      return;
    }
    for (auto [i, sum] : llvm::enumerate(sums))
      sum = e.create<LLVM::ExtractValueOp>(same, i);
  }

  Emitter::Values getLevels(const UnitSource &source, int64_t step,
                            unsigned term) {
    Emitter::Values levels;
    for (int64_t c = 0; c < columns; ++c)
      levels.push_back(source.levels(step, c, term));
    return levels;
  }

  Emitter &e;
  const QuantizedShape &shape;
  QuantizedEmitter &codes;
  InputPlaces places;
  /// Whether products of high and low bytes go to one sum.
  bool sharesSums;
  int64_t rows, lanes, columns;
};

/// The outputs of a tile: read first, written at the end.
class TileOutputs {
public:
  TileOutputs(Emitter &e, Value y, Value ldy, int64_t rows,
              const QuantizedEmitter &codes)
      : e(e), lanes(codes.lanes), columns(codes.columns) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < columns; ++c)
        places.push_back(e.at(i ? e.at(y, e.mul(ldy, i)) : y, c * lanes));
  }
  Emitter::Values load() {
    Emitter::Values sums;
    for (Value place : places)
      sums.push_back(e.load(e.vectorType(lanes), place));
    return sums;
  }
  void store(ValueRange sums) {
    for (auto [sum, place] : llvm::zip_equal(sums, places))
      e.store(sum, place);
  }

private:
  Emitter &e;
  int64_t lanes, columns;
  Emitter::Values places;
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
        auto addUnit = [&](Value stored, Value unit,
                           ArrayRef<const QuantizedEmitter::Chains *> parts,
                           Emitter::Values &sums) {
          Emitter::Values lines{
              e.at(x, e.mul(unit, shape.inputGroupBytes()), 1)};
          for (int64_t i = 1; i < rows; ++i)
            lines.push_back(e.at(lines[0], i * shape.panelBytes(), 1));
          auto pieces = codes.loadPieces(stored);
          auto levels = [&](int64_t step, int64_t column, unsigned term) {
            return codes.emitLevels(pieces, step, column, term);
          };
          auto chains = [&](int64_t part) -> const QuantizedEmitter::Chains & {
            return *parts[part];
          };
          builder.addUnit({int64_t(parts.size()), false, levels, chains}, lines,
                          sums);
        };
        TileWalker walker(e, shape, codes, addUnit, rows == 1 ? kAhead : 0);
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
        auto unpackUnit = [&](Value stored, Value unit,
                              ArrayRef<const QuantizedEmitter::Chains *> parts,
                              Emitter::Values &) {
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
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels, unpackedKernels;
  for (int64_t tile : tiles)
    kernels[tile] = getQuantizedTile(shape, tile);
  int64_t lanes = std::min(target.lanes(), shape.layout.tileRows),
          tileRows = shape.layout.tileRows;
  auto unpacked = UnpackedTile::find(target, shape);
  func::FuncOp unpack;
  if (unpacked) {
    unpack = getUnpackTile(shape);
    for (int64_t tile : tiles)
      unpackedKernels[tile] = getUnpackedTile(shape, tile);
  }
  return getOrCreate(
      getQuantizedKernelName(shape) +
          getActivationsSuffix(shape.activations).str() + (bias ? "_bias" : ""),
      types, [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], w = args[2],
              b = bias ? args[3] : Value();
        ValueRange rest = args.drop_front(bias ? 4 : 3);
        Value y = rest[0], ldy = rest[1], whole = rest[2], tileBytes = rest[3],
              outputs = rest[4], rowBegin = rest[5], rowEnd = rest[6],
              blockBegin = rest[7], blockEnd = rest[8];
        Value panel = e.stack(tiles.front() * shape.panelBytes() / 4);
        Value margin = e.stack(tiles.front() * tileRows), unpackedTile;
        if (unpacked)
          unpackedTile =
              e.stack(shape.panelUnits() * unpacked->unitBytes() / 4);
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
          auto emitPacked = [&] { e.cover(tiles, rowBegin, rowEnd, emitTile); };
          if (!unpacked)
            return emitPacked();
          auto emitUnpacked = [&] {
            Value input =
                e.at(x, e.mul(from, pieceUnits * shape.inputGroupBytes()), 1);
            e.loop(blockBegin, blockEnd, 1, [&](Value block) {
              Value matrix = e.at(w, e.mul(block, tileBytes), 1);
              Value column = e.mul(block, tileRows);
              Value left = e.sub(outputs, column);
              e.create<func::CallOp>(
                  unpack, ValueRange{matrix, from, end, tail, unpackedTile});
              e.cover(tiles, rowBegin, rowEnd, [&](int64_t tile, Value row) {
                Rows rows{e.at(y, e.add(e.mul(row, ldy), column)), ldy};
                emitWithMargin(e, lanes, tile, tileRows, left, rows, rows,
                               margin, [&](Rows, Rows to) {
                                 e.create<func::CallOp>(
                                     unpackedKernels[tile],
                                     ValueRange{e.at(input, e.mul(row, ldx), 1),
                                                ldx, unpackedTile, to.base,
                                                to.distance, units});
                               });
              });
            });
          };
          e.ifElse(e.less(e.sub(rowEnd, rowBegin), e.index(kUnpackedRows)),
                   emitPacked, emitUnpacked);
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
