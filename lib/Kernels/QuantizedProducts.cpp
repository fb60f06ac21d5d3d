//===- QuantizedProducts.cpp - Multiplies with tiles of matrices ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "QuantizedTile.h"

using namespace mlir;
using namespace llmc;
using kern::Activations;
using kern::kInputGroup;

/// So many k-steps in sums of sixteen bits are few.
static constexpr int64_t kFewPairSteps = 2;

void TileBuilder::addUnit(const UnitSource &source, ArrayRef<Value> lines,
                          Emitter::Values &sums,
                          ArrayRef<Emitter::Values> products) {
  for (int64_t part = 0; part < source.parts; ++part) {
    for (unsigned term = 0; term < shape.format.terms.size(); ++term) {
      Emitter::Values dots;
      if (products.empty()) {
        dots = multiply(source, part, term, lines);
      } else {
        dots = products.front();
        products = products.drop_front();
      }
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
    int64_t place = places.scaledSums + 4 * getSum(source, part);
    for (int64_t i = 0; i < rows; ++i) {
      Value sum = readInput(e.getF32Type(), lines[i], place);
      for (int64_t c = 0; c < columns; ++c) {
        Value &out = sums[i * columns + c];
        out = e.fma(chains.minimum[c], sum, out);
      }
    }
  }
}

bool TileBuilder::sumsGroups(const Target &target,
                             const QuantizedShape &shape) {
  // Sums of pairs need the registers, and where one group is a whole row, steps
  // end anywhere.
  return (target.dot == DotUnit::Vnni || target.dot == DotUnit::Sdot) &&
         !kern::areReals(shape.activations) && !shape.cutsRecords() &&
         shape.format.groupSize > kUnitColumns &&
         shape.format.groupSize % kUnitColumns == 0;
}

Emitter::Values TileBuilder::startGroup() {
  return Emitter::Values(shape.format.terms.size() * rows * columns,
                         e.splat(lanes, 0));
}

void TileBuilder::addToGroup(const UnitSource &source, ArrayRef<Value> lines,
                             Emitter::Values &group,
                             ArrayRef<Emitter::Values> products) {
  for (unsigned term = 0; term < shape.format.terms.size(); ++term) {
    Emitter::Values dots = products.empty()
                               ? multiply(source, /*part=*/0, term, lines)
                               : products[term];
    for (int64_t i = 0; i < rows; ++i) {
      Value scale = readInput(e.getF32Type(), lines[i], places.scale);
      for (int64_t c = 0; c < columns; ++c) {
        Value &sum = group[(term * rows + i) * columns + c];
        sum = e.fma(dots[i * columns + c], scale, sum);
      }
    }
  }
}

void TileBuilder::endGroup(const QuantizedEmitter::Chains &numbers,
                           ArrayRef<Value> group, ArrayRef<Value> lines,
                           int64_t units, Emitter::Values &sums) {
  for (auto [sum, of] : llvm::enumerate(group)) {
    Value &out = sums[sum % sums.size()];
    out = e.fma(of, numbers.scales[sum / sums.size()][sum % columns], out);
  }
  if (!shape.format.hasMinimum)
    return;
  for (int64_t i = 0; i < rows; ++i) {
    Value all;
    for (int64_t u = 0; u < units; ++u) {
      Value one = e.load(
          e.getF32Type(),
          e.at(lines[i], u * shape.inputGroupBytes() + places.scaledSums, 1));
      all = all ? e.add(all, one) : one;
    }
    all = e.broadcast(all, lanes);
    for (int64_t c = 0; c < columns; ++c) {
      Value &out = sums[i * columns + c];
      out = e.fma(numbers.minimum[c], all, out);
    }
  }
}

SmallVector<Emitter::Values> TileBuilder::multiply(const UnitSource &source,
                                                   ArrayRef<Value> lines) {
  SmallVector<Emitter::Values> products;
  for (int64_t part = 0; part < source.parts; ++part)
    for (unsigned term = 0; term < shape.format.terms.size(); ++term)
      products.push_back(multiply(source, part, term, lines));
  return products;
}

int64_t TileBuilder::getSum(const UnitSource &source, int64_t part) {
  return source.parts == 1 ? 0 : 1 + part;
}

Emitter::Values TileBuilder::multiply(const UnitSource &source, int64_t part,
                                      unsigned term, ArrayRef<Value> lines) {
  int64_t steps = kUnitColumns / kStepColumns / source.parts,
          first = part * steps, last = first + steps;
  if (kern::areReals(shape.activations))
    return multiplyReals(source, first, last, term, lines);
  return multiplyCodes(source, first, last, term, lines, getSum(source, part));
}

Value TileBuilder::readInput(Type type, Value line, int64_t place) {
  return e.broadcast(e.load(type, e.at(line, place, 1)), lanes);
}

Emitter::Values TileBuilder::multiplyCodes(const UnitSource &source,
                                           int64_t first, int64_t last,
                                           unsigned term, ArrayRef<Value> lines,
                                           int64_t which) {
  int64_t shift = codes.getOffsetShift(term);
  auto correction = [&](int64_t row) {
    if (shift < 0)
      return e.splatInt(lanes, 0);
    Value sum =
        readInput(e.getI32Type(), lines[row], places.corrections + 4 * which);
    int64_t less = kCorrectionShift - shift;
    return less ? e.create<arith::ShRSIOp>(sum, e.splatInt(lanes, less)) : sum;
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

Emitter::Values TileBuilder::addPairs(const UnitSource &source, int64_t first,
                                      int64_t last, unsigned term,
                                      ArrayRef<Value> lines) {
  int64_t most = codes.getPairSteps(term);
  if (most <= kFewPairSteps)
    return addShortPairs(source, first, last, term, lines, most);
  Emitter::Values dots(rows * columns);
  for (int64_t begin = first; begin < last; begin += most) {
    Emitter::Values pairs(rows * columns);
    for (int64_t step = begin; step < std::min(begin + most, last); ++step) {
      Emitter::Values levels = getLevels(source, step, term);
      for (int64_t i = 0; i < rows; ++i) {
        Value bytes = readInput(e.getI32Type(), lines[i], step * kStepColumns);
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

Emitter::Values TileBuilder::addShortPairs(const UnitSource &source,
                                           int64_t first, int64_t last,
                                           unsigned term, ArrayRef<Value> lines,
                                           int64_t most) {
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

void TileBuilder::addDots(const UnitSource &source, int64_t first, int64_t last,
                          unsigned term, ArrayRef<Value> lines,
                          Emitter::Values &dots) {
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

Value TileBuilder::readReal(Value line, int64_t column) {
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

Emitter::Values TileBuilder::multiplyReals(const UnitSource &source,
                                           int64_t first, int64_t last,
                                           unsigned term,
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

void TileBuilder::keepTogether(Emitter::Values &sums) {
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

Emitter::Values TileBuilder::getLevels(const UnitSource &source, int64_t step,
                                       unsigned term) {
  Emitter::Values levels;
  for (int64_t c = 0; c < columns; ++c)
    levels.push_back(source.levels(step, c, term));
  return levels;
}
