//===- Pad.cpp - Lowering of nn.pad ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each element is fetched from the place it comes from; pads may be negative,
// and then the place is always inside.
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/NNLowering.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::lower;

static Value remainder(ScalarBuilder &b, Value x, Value period) {
  // Of numbers that may be negative, with the sign of the period.
  Value rest = arith::RemSIOp::create(b, x, period);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value isNegative =
      arith::CmpIOp::create(b, arith::CmpIPredicate::slt, rest, zero);
  Value moved = arith::AddIOp::create(b, rest, period);
  return arith::SelectOp::create(b, isNegative, moved, rest);
}

/// The place inside [0, extent) that gives the element at `place`.
static Value sourcePlace(ScalarBuilder &b, nn::PadMode mode, Value place,
                         Value extent) {
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value one = arith::ConstantIndexOp::create(b, 1);
  Value last = arith::SubIOp::create(b, extent, one);
  switch (mode) {
  case nn::PadMode::constant:
  case nn::PadMode::edge:
    return arith::MaxSIOp::create(b, arith::MinSIOp::create(b, place, last),
                                  zero);
  case nn::PadMode::wrap:
    return remainder(b, place, extent);
  case nn::PadMode::reflect: {
    // Down and up again: the period is 2 (extent - 1), or 1 for one element.
    Value period =
        arith::MaxSIOp::create(b, arith::AddIOp::create(b, last, last), one);
    Value rest = remainder(b, place, period);
    Value down = arith::SubIOp::create(b, period, rest);
    return arith::MinSIOp::create(b, rest, down);
  }
  }
  llvm_unreachable("all modes are covered");
}

static Value lowerPad(nn::PadOp op, Lowering &l) {
  Shape from = l.shape(op.getInput()), to = l.shape(op.getResult());
  Shape pads = l.integers(op.getPads());
  int64_t rank = from.size();
  for (SymExpr pad : pads)
    if (!pad)
      return l.fail(op,
                    "expected 'pads' to depend on symbols of the entry only");
  if (static_cast<int64_t>(pads.size()) != 2 * rank)
    return l.fail(op, "expected 'pads' of static length");
  SmallVector<Value> before, extents;
  for (int64_t axis = 0; axis < rank; ++axis) {
    bool same = pads[axis].isConstant(0) && from[axis] == to[axis];
    before.push_back(same ? Value() : l.index(pads[axis]));
    extents.push_back(l.index(from[axis]));
  }
  Value input = l.get(op.getInput());
  Value fill = l.scalar(op.getValue());
  bool isConstant = op.getMode() == nn::PadMode::constant;
  if (isConstant &&
      llvm::any_of(from, [](SymExpr e) { return e.isConstant(0); }))
    return l.fill(to, fill);
  return l.each(
      to, getElementTypeOrSelf(op.getType()), {},
      [&](ScalarBuilder &b, ValueRange) -> Value {
        SmallVector<Value> indices;
        Value inside;
        for (int64_t axis = 0; axis < rank; ++axis) {
          Value place = linalg::IndexOp::create(b, axis);
          if (before[axis]) {
            Value wanted = arith::SubIOp::create(b, place, before[axis]);
            place = sourcePlace(b, op.getMode(), wanted, extents[axis]);
            Value same = arith::CmpIOp::create(b, arith::CmpIPredicate::eq,
                                               wanted, place);
            inside =
                inside ? Value(arith::AndIOp::create(b, inside, same)) : same;
          }
          indices.push_back(place);
        }
        Value element = tensor::ExtractOp::create(b, input, indices);
        return isConstant && inside
                   ? Value(arith::SelectOp::create(b, inside, element, fill))
                   : element;
      });
}

void lower::addPad(Handlers &handlers) { handlers.add<nn::PadOp>(lowerPad); }
