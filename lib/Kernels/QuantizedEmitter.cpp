//===- QuantizedEmitter.cpp - Reads compressed matrices in kernels --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Codegen/KernelLibrary.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llmc;

using Values = Emitter::Values;

llvm::Expected<QuantizedShape>
QuantizedShape::create(const FormatDescription &format, int64_t rows,
                       int64_t columns, int64_t tileRows,
                       MLIRContext *context) {
  auto layout = PackedLayout::create(format, rows, columns, tileRows);
  if (!layout)
    return layout.takeError();
  QuantizedShape shape;
  for (const Term &term : format.terms) {
    auto &function = shape.functions.emplace_back();
    if (term.levels.function.empty())
      continue;
    auto parsed =
        LevelsFunction::parse(term.levels.function, format.indexBits, context);
    if (!parsed)
      return llvm::createStringError(
          "format '" + format.name +
          "': function of levels: " + llvm::toString(parsed.takeError()));
    if (!(Levels::make(parsed->getTable()) == term.levels))
      return llvm::createStringError("format '" + format.name +
                                     "': expected a function that gives the "
                                     "levels");
    function = std::move(*parsed);
  }
  // Kernels read the stored matrix, whatever it is the transform of.
  shape.format = format.getStored();
  shape.layout = std::move(*layout);
  return shape;
}

llvm::Expected<QuantizedShape> QuantizedShape::create(StringRef name,
                                                      int64_t rows,
                                                      int64_t columns,
                                                      int64_t tileRows) {
  auto format = parseFormat(name);
  if (!format)
    return format.takeError();
  return create(*format, rows, columns, tileRows,
                /*context=*/nullptr);
}

std::string QuantizedShape::getVariant() const {
  if (!cutsRecords() && !hasTail())
    return "whole";
  return (cutsRecords() ? "cut" : "tail") +
         std::to_string(layout.lastRecord.units) + "x" +
         std::to_string(layout.lastRecord.groups);
}

QuantizedEmitter::QuantizedEmitter(Emitter &e, const Target &target,
                                   const QuantizedShape &shape)
    : lanes(std::min(target.lanes(), shape.layout.tileRows)),
      columns(shape.layout.tileRows / lanes), e(e), target(target),
      shape(shape), planes(getPlanes(shape.format.indexBits)) {}

QuantizedEmitter::QuantizedEmitter(Emitter &e, const Target &target,
                                   const QuantizedShape &shape, Value row)
    : lanes(1), columns(1), e(e), target(target), shape(shape),
      planes(getPlanes(shape.format.indexBits)), row(row) {}

//===----------------------------------------------------------------------===//
// Small words
//===----------------------------------------------------------------------===//

/// The constant in every 32-bit lane.
Value QuantizedEmitter::word(int64_t value) {
  return e.splatInt(lanes, static_cast<int32_t>(value));
}

Value QuantizedEmitter::cast(Value vector, VectorType type) {
  if (vector.getType() == type)
    return vector;
  return e.create<vector::BitCastOp>(type, vector);
}

Value QuantizedEmitter::intrinsic(StringRef name, Type result,
                                  ValueRange operands) {
  return e
      .create<LLVM::CallIntrinsicOp>(result, e.getStringAttr(name), operands)
      .getResult(0);
}

Value QuantizedEmitter::widen(Value value) {
  if (!row)
    return value;
  return e.create<arith::ExtFOp>(VectorType::get({lanes}, e.getF64Type()),
                                 value);
}

Value QuantizedEmitter::atRow(Value base, int64_t place, int64_t width) {
  Value address = e.at(base, place * width, 1);
  return row ? e.at(address, row, width) : address;
}

/// One byte for each row, in 32-bit lanes.
Value QuantizedEmitter::loadBytes(Value from) {
  Value bytes = e.load(VectorType::get({lanes}, e.getI8Type()), from, 1);
  return e.create<arith::ExtUIOp>(VectorType::get({lanes}, e.getI32Type()),
                                  bytes);
}

static Value bitsToFloat(Emitter &e, Value bits) {
  int64_t lanes = cast<VectorType>(bits.getType()).getDimSize(0);
  return e.create<arith::BitcastOp>(e.vectorType(lanes), bits);
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

/// A stored real for each row.
Value QuantizedEmitter::loadReal(RealType type, Value from) {
  if (type == RealType::F32)
    return e.load(e.vectorType(lanes), from);
  return emitLoadStored(
      e, type == RealType::F16 ? Type(e.getF16Type()) : Type(e.getBF16Type()),
      lanes, from);
}

/// The scale code of a group for each row, as a real number. `from` is the
/// area of the codes.
Value QuantizedEmitter::loadCode(ScaleCode code, Value from, int64_t group,
                                 int64_t groups, int64_t column) {
  int64_t rows = shape.layout.tileRows, first = column * lanes;
  auto byte = [&](int64_t index) {
    return loadBytes(atRow(from, index * rows + first, 1));
  };
  auto field = [&](Value bytes, int64_t shift, int64_t mask) -> Value {
    Value moved =
        shift ? Value(e.create<arith::ShRUIOp>(bytes, word(shift))) : bytes;
    return e.create<arith::AndIOp>(moved, word(mask));
  };
  Type reals = e.vectorType(lanes);
  switch (code) {
  case ScaleCode::U4:
    return e.create<arith::UIToFPOp>(reals,
                                     field(byte(group / 2), group % 2 * 4, 15));
  case ScaleCode::U6: {
    Value low = field(byte(group / 2), group % 2 * 4, 15);
    Value high =
        field(byte(llvm::divideCeil(groups, 2) + group / 4), group % 4 * 2, 3);
    return e.create<arith::UIToFPOp>(
        reals,
        e.create<arith::OrIOp>(low, e.create<arith::ShLIOp>(high, word(4))));
  }
  case ScaleCode::U8:
    return e.create<arith::UIToFPOp>(reals, byte(group));
  case ScaleCode::I8: {
    Value top = e.create<arith::ShLIOp>(byte(group), word(24));
    return e.create<arith::SIToFPOp>(reals,
                                     e.create<arith::ShRSIOp>(top, word(24)));
  }
  case ScaleCode::E8M0: {
    // 0 is 2^-127, which is subnormal; 255 is not a number.
    Value bits = byte(group);
    Value moved = e.create<arith::ShLIOp>(bits, word(23));
    Value least =
        e.create<arith::CmpIOp>(arith::CmpIPredicate::eq, bits, word(0));
    Value none =
        e.create<arith::CmpIOp>(arith::CmpIPredicate::eq, bits, word(255));
    moved = e.create<arith::SelectOp>(least, word(0x00400000), moved);
    moved = e.create<arith::SelectOp>(none, word(0x7fc00000), moved);
    return bitsToFloat(e, moved);
  }
  case ScaleCode::UE4M3: {
    // As a half: five bits of exponent less 8, then 2^8 times that.
    Value bits = field(byte(group), 0, 127);
    Value none =
        e.create<arith::CmpIOp>(arith::CmpIPredicate::eq, bits, word(127));
    Value value = e.mul(bitsToFloat(e, e.create<arith::ShLIOp>(bits, word(20))),
                        e.splat(lanes, 0x1p120));
    return e.create<arith::SelectOp>(none, bitsToFloat(e, word(0x7fc00000)),
                                     value);
  }
  case ScaleCode::None:
    break;
  }
  llvm_unreachable("no scale code");
}

QuantizedEmitter::Chains QuantizedEmitter::loadChains(const RecordPlan &plan,
                                                      Value head, Value record,
                                                      int64_t group) {
  Chains result;
  auto load = [&](unsigned index, const ScaleChain &chain) {
    const ChainPlace &place = plan.chains[index];
    Values values;
    for (int64_t c = 0; c < columns; ++c) {
      Value value;
      int64_t bytes = getRealBytes(chain.real);
      if (place.headReals >= 0) {
        value = widen(loadReal(chain.real, atRow(e.at(head, place.headReals, 1),
                                                 c * lanes, bytes)));
      } else if (place.reals >= 0) {
        int64_t number = chain.span == RealSpan::Group ? group : 0;
        value = widen(
            loadReal(chain.real,
                     atRow(e.at(record, place.reals, 1),
                           number * shape.layout.tileRows + c * lanes, bytes)));
      }
      if (place.codes >= 0) {
        Value code = loadCode(chain.code, e.at(record, place.codes, 1), group,
                              plan.groups, c);
        value = value ? e.mul(value, widen(code)) : widen(code);
      }
      if (!value)
        value = widen(e.splat(lanes, 1));
      if (chain.ofScale)
        value = e.mul(value, result.scales[0][c]);
      if (chain.negated)
        value = e.create<arith::NegFOp>(value);
      values.push_back(value);
    }
    return values;
  };
  for (auto [index, term] : llvm::enumerate(shape.format.terms))
    result.scales.push_back(load(index, term.scale));
  if (shape.format.hasMinimum)
    result.minimum = load(shape.format.terms.size(), shape.format.minimum);
  return result;
}

//===----------------------------------------------------------------------===//
// Codes and levels
//===----------------------------------------------------------------------===//

Value QuantizedEmitter::atUnit(Value record, Value unit) {
  return e.at(record, e.mul(unit, shape.layout.unitBytes), 1);
}
Value QuantizedEmitter::atUnit(Value record, int64_t unit) {
  return e.at(record, unit * shape.layout.unitBytes, 1);
}

QuantizedEmitter::Pieces QuantizedEmitter::loadPieces(Value unit) {
  Pieces pieces;
  pieces.unit = unit;
  auto words = VectorType::get({lanes}, e.getI32Type());
  // A unit has as many pieces as a weight has bits.
  for (unsigned p = 0; p < shape.format.getBitsOfWeight(); ++p) {
    Values values;
    for (int64_t c = 0; c < columns; ++c)
      values.push_back(
          e.load(words, atRow(unit, p * shape.layout.tileRows + c * lanes, 4)));
    pieces.words.push_back(values);
  }
  return pieces;
}

/// The bytes of a lane moved right so many bits, or left; bits come in from
/// neighbors.
Value QuantizedEmitter::moveBits(Value words, int64_t right) {
  if (right == 0)
    return words;
  if (right > 0)
    return e.create<arith::ShRUIOp>(words, word(right));
  return e.create<arith::ShLIOp>(words, word(-right));
}

Value QuantizedEmitter::emitCodes(const Pieces &pieces, int64_t step,
                                  int64_t column, bool masked) {
  Value codes;
  unsigned before = 0;
  for (const Plane &plane : planes) {
    unsigned fields = 8 / plane.width;
    Value piece = pieces.words[before + step / fields][column];
    before += plane.width / shape.format.weightsPerIndex;
    piece = moveBits(piece, static_cast<int64_t>(step % fields * plane.width) -
                                plane.shift);
    // The bits of the byte that are of this plane, or of this and all above.
    uint32_t last = plane.shift + plane.width,
             own = (1u << (masked ? last : 8u)) - (1u << plane.shift);
    if (plane.shift && !masked)
      codes = e.create<arith::AndIOp>(
          codes, word(((1u << plane.shift) - 1) * 0x01010101u));
    if (own != 0xff)
      piece = e.create<arith::AndIOp>(piece, word(own * 0x01010101u));
    codes = codes ? Value(e.create<arith::OrIOp>(codes, piece)) : piece;
  }
  return codes;
}

/// How many pairs of products of an input byte with levels up to `largest`
/// sixteen bits can add, whatever the bytes are: 2 * 128 * largest is the most
/// that one of them comes to. 15: 8, 31: 4, 63: 2, 127: 1, 128: none.
static int64_t countPairs(int64_t largest) {
  return 32767 / (2 * 128 * std::max<int64_t>(largest, 1));
}

/// The power of two that makes levels from `lowest` < 0 on unsigned.
static int64_t getUnsignedShift(int lowest) {
  return llvm::Log2_32_Ceil(static_cast<uint32_t>(-lowest));
}

bool QuantizedEmitter::isSigned(unsigned term) const {
  int lowest = shape.format.getLowestLevel(term);
  if (row || lowest >= 0 || lanes != 8 || target.dot != DotUnit::Madd ||
      shape.activations != kern::Activations::I8)
    return false;
  return countPairs(shape.format.getHighestLevel(term) +
                    (int64_t(1) << getUnsignedShift(lowest))) == 0;
}

int64_t QuantizedEmitter::getPairSteps(unsigned term) const {
  if (target.dot != DotUnit::Madd || lanes < 8)
    return 0;
  // Magnitudes of up to 128 by inputs of up to 127: 32512, and no more.
  return isSigned(term) ? 1 : countPairs(getLargestLevel(term));
}

int64_t QuantizedEmitter::getOffsetShift(unsigned term) const {
  int lowest = shape.format.getLowestLevel(term);
  if (lowest >= 0 || isSigned(term))
    return -1;
  // Whatever is added to the levels of a table costs nothing, and any sum of
  // products fits where they are added in 32 bits.
  bool computed = shape.format.terms[term].levels.table.empty();
  if (target.dot == DotUnit::Vnni && !computed)
    return kCorrectionShift;
  return getUnsignedShift(lowest);
}

int64_t QuantizedEmitter::getLargestLevel(unsigned term) const {
  int64_t shift = getOffsetShift(term);
  return shape.format.getHighestLevel(term) +
         (shift < 0 ? 0 : int64_t(1) << shift);
}

Value QuantizedEmitter::emitLevels(const Pieces &pieces, int64_t step,
                                   int64_t column, unsigned term) {
  if (shape.format.isVector())
    return lookUpVectors(pieces, step, column, term);
  const Levels &levels = shape.format.terms[term].levels;
  bool byLowBits = !levels.table.empty() && !shape.functions[term] &&
                   permutes(levels.table.size());
  Value codes = emitCodes(pieces, step, column, /*masked=*/!byLowBits);
  int64_t shift = getOffsetShift(term),
          added = shift < 0 ? 0 : int64_t(1) << shift;
  if (const auto &function = shape.functions[term])
    return splice(*function, codes, added);
  if (levels.table.empty()) {
    int64_t offset = levels.offset + added;
    if (isSigned(term)) {
      auto bytes = VectorType::get({lanes * 4}, e.getI8Type());
      Value by = e.create<arith::ConstantOp>(
          SplatElementsAttr::get(bytes, static_cast<int8_t>(offset)));
      return cast(e.create<arith::AddIOp>(cast(codes, bytes), by),
                  VectorType::get({lanes}, e.getI32Type()));
    }
    // No byte carries into the next: levels and `added` fit eight bits.
    return offset ? e.create<arith::AddIOp>(codes, word(offset * 0x01010101))
                  : codes;
  }
  SmallVector<uint8_t> table;
  for (int8_t level : levels.table)
    table.push_back(static_cast<uint8_t>(level + added));
  return lookUp(codes, table);
}

Value QuantizedEmitter::splice(const LevelsFunction &function, Value codes,
                               int64_t added) {
  auto bytes = VectorType::get({lanes * 4}, e.getI8Type());
  Value levels = function.emit(e, cast(codes, bytes), added,
                               [&](Value keys, ArrayRef<uint8_t> table) {
                                 return cast(lookUp(keys, table), bytes);
                               });
  return cast(levels, VectorType::get({lanes}, e.getI32Type()));
}

bool QuantizedEmitter::permutes(size_t size) const {
  auto bytes = static_cast<size_t>(target.vectorBits / 8);
  return !target.bytePermute.empty() && !row && size <= bytes &&
         static_cast<int64_t>(bytes) == lanes * 4;
}

/// A table of at most 256 bytes for every byte.
Value QuantizedEmitter::lookUp(Value codes, ArrayRef<uint8_t> table) {
  auto bytes = VectorType::get({lanes * 4}, e.getI8Type());
  Value keys = cast(codes, bytes);
  Value result;
  auto constant = [&](ArrayRef<uint8_t> values) -> Value {
    SmallVector<int8_t> all(lanes * 4);
    for (int64_t i = 0; i < lanes * 4; ++i)
      all[i] = static_cast<int8_t>(values[i % values.size()]);
    return e.create<arith::ConstantOp>(
        DenseElementsAttr::get(bytes, ArrayRef<int8_t>(all)));
  };
  if (permutes(table.size())) {
    SmallVector<uint8_t> all(table);
    all.resize(llvm::PowerOf2Ceil(table.size()));
    result = intrinsic(target.bytePermute, bytes, {constant(all), keys});
  } else if (table.size() <= 16 && !target.byteShuffle.empty() && !row) {
    SmallVector<uint8_t> sixteen(table);
    sixteen.resize(16);
    result = intrinsic(target.byteShuffle, bytes, {constant(sixteen), keys});
  } else {
    result = constant(table[0]);
    for (auto [code, level] : llvm::enumerate(table.drop_front())) {
      Value same =
          e.create<arith::CmpIOp>(arith::CmpIPredicate::eq, keys,
                                  constant(static_cast<uint8_t>(code + 1)));
      result = e.create<arith::SelectOp>(same, constant(level), result);
    }
  }
  return cast(result, VectorType::get({lanes}, e.getI32Type()));
}

Value QuantizedEmitter::emitLevel(Value levels, int64_t byte, unsigned term,
                                  Type type) {
  Value level =
      byte ? Value(e.create<arith::ShRUIOp>(levels, word(8 * byte))) : levels;
  level = e.create<arith::AndIOp>(level, word(0xff));
  if (int64_t shift = getOffsetShift(term); shift >= 0)
    level = e.sub(level, word(int64_t(1) << shift));
  return e.create<arith::SIToFPOp>(type, level);
}

Value QuantizedEmitter::emitValue(const Chains &chains, Value levels,
                                  int64_t byte, unsigned term, Value before) {
  Value real = emitLevel(levels, byte, term, chains.scales[term][0].getType());
  Value product = e.mul(real, chains.scales[term][0]);
  return before ? e.add(before, product) : product;
}

//===----------------------------------------------------------------------===//
// Dot products
//===----------------------------------------------------------------------===//

/// Products of numbers of sixteen bits, added in pairs to 32.
Value QuantizedEmitter::multiplyPairs(Value a, Value b) {
  StringRef name = lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                   : lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                : "llvm.x86.sse2.pmadd.wd";
  auto halves = VectorType::get({lanes * 2}, e.getI16Type());
  return intrinsic(name, VectorType::get({lanes}, e.getI32Type()),
                   {cast(a, halves), cast(b, halves)});
}

Value QuantizedEmitter::emitPairs(Value sum, Value levels, Value inputs,
                                  unsigned term) {
  auto bytes = VectorType::get({lanes * 4}, e.getI8Type());
  auto halves = VectorType::get({lanes * 2}, e.getI16Type());
  levels = cast(levels, bytes);
  inputs = cast(inputs, bytes);
  // Signs go from the levels to the inputs, which are not -128; a level of -128
  // is right as a magnitude without sign.
  if (isSigned(term)) {
    inputs = intrinsic("llvm.x86.avx2.psign.b", bytes, {inputs, levels});
    levels = e.create<LLVM::AbsOp>(bytes, levels, /*is_int_min_poison=*/false);
  }
  Value two = intrinsic(lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512"
                                    : "llvm.x86.avx2.pmadd.ub.sw",
                        halves, {levels, inputs});
  return sum ? e.add(sum, two) : two;
}

Value QuantizedEmitter::addPairs(Value sum, Value pairs, int64_t factor) {
  Value four = multiplyPairs(pairs, word(factor * 0x00010001));
  return sum ? e.add(sum, four) : four;
}

Value QuantizedEmitter::emitDot4(Value sum, Value levels, Value inputs,
                                 unsigned term, bool high) {
  int64_t largest = getLargestLevel(term);
  auto words = VectorType::get({lanes}, e.getI32Type());
  auto bytes = VectorType::get({lanes * 4}, e.getI8Type());
  auto halves = VectorType::get({lanes * 2}, e.getI16Type());
  switch (target.dot) {
  case DotUnit::Vnni:
    return intrinsic("llvm.x86.avx512.vpdpbusd." + std::to_string(lanes * 32),
                     words, {sum, cast(levels, bytes), cast(inputs, bytes)});
  case DotUnit::Madd: {
    if (getPairSteps(term) > 0)
      return addPairs(sum, emitPairs(Value(), levels, inputs, term),
                      high ? 256 : 1);
    // Even and odd bytes as numbers of sixteen bits.
    auto shift = [&](Value value, int64_t count, bool left) -> Value {
      Value lanes16 = cast(value, halves);
      Value by = e.create<arith::ConstantOp>(SplatElementsAttr::get(
          halves, e.getI16IntegerAttr(count).getValue()));
      return left ? Value(e.create<arith::ShLIOp>(lanes16, by))
                  : Value(e.create<arith::ShRSIOp>(lanes16, by));
    };
    Value even = e.create<arith::AndIOp>(levels, word(0x00ff00ff));
    Value odd = e.create<arith::AndIOp>(
        e.create<arith::ShRUIOp>(levels, word(8)), word(0x00ff00ff));
    Value evenInputs = shift(inputs, 8, true), oddInputs;
    if (high) {
      oddInputs = e.create<arith::AndIOp>(inputs, word(0xff00ff00));
    } else {
      evenInputs = shift(evenInputs, 8, false);
      oddInputs = shift(inputs, 8, false);
    }
    return e.add(e.add(sum, multiplyPairs(even, evenInputs)),
                 multiplyPairs(odd, oddInputs));
  }
  case DotUnit::Sdot:
    // Signed by signed: levels above 127 would be read as negative.
    if (largest <= 127)
      return intrinsic("llvm.aarch64.neon.sdot", words,
                       {sum, cast(levels, bytes), cast(inputs, bytes)});
    [[fallthrough]];
  case DotUnit::None: {
    Value result = sum;
    for (int64_t i = 0; i < 4; ++i) {
      Value level =
          i ? Value(e.create<arith::ShRUIOp>(levels, word(8 * i))) : levels;
      if (i < 3)
        level = e.create<arith::AndIOp>(level, word(0xff));
      Value input =
          i < 3 ? Value(e.create<arith::ShLIOp>(inputs, word(24 - 8 * i)))
                : inputs;
      input = e.create<arith::ShRSIOp>(input, word(24));
      result = e.add(result, e.mul(level, input));
    }
    return result;
  }
  }
  llvm_unreachable("no such unit");
}
