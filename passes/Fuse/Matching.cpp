//===- Matching.cpp - Small questions that the fuse passes ask ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace llmc;

static bool isFloatCast(nn::CastOp op) {
  return isa<FloatType>(tensorType(op.getInput()).getElementType()) &&
         isa<FloatType>(tensorType(op.getResult()).getElementType());
}

Value llmc::skipCasts(Value value) {
  while (auto op = value.getDefiningOp<nn::CastOp>()) {
    if (!isFloatCast(op))
      break;
    value = op.getInput();
  }
  return value;
}

std::optional<double> llmc::getScalar(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<nn::ReshapeOp, nn::UnsqueezeOp, nn::SqueezeOp, nn::ExpandOp,
            nn::TransposeOp>(op)) {
      value = op->getOperand(0);
    } else if (auto full = dyn_cast<nn::FullOp>(op)) {
      value = full.getValue();
    } else if (auto cast = dyn_cast<nn::CastOp>(op);
               cast && isFloatCast(cast)) {
      value = cast.getInput();
    } else {
      break;
    }
  }
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)))
    return std::nullopt;
  if (!elements.isSplat() && elements.getNumElements() != 1)
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType())) {
    APFloat number = *elements.value_begin<APFloat>();
    bool lost;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
    return number.convertToDouble();
  }
  if (elements.getElementType().isInteger(1))
    return *elements.value_begin<bool>() ? 1.0 : 0.0;
  if (isa<IntegerType>(elements.getElementType()))
    return static_cast<double>((*elements.value_begin<APInt>()).getSExtValue());
  return std::nullopt;
}

bool llmc::isScalar(Value value, double number) {
  auto scalar = getScalar(value);
  return scalar && std::abs(*scalar - number) <= 1e-6 * std::abs(number);
}

bool llmc::isWeight(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (isa<nn::GetOp, arith::ConstantOp>(op))
      return true;
    if (!isa<nn::TransposeOp, nn::CastOp, nn::SliceOp>(op))
      return false;
    value = op->getOperand(0);
  }
  return false;
}

Product llmc::getProduct(Value value) {
  Product product;
  SmallVector<Value> work{value};
  // Powers of powers would have more factors than any formula of a layer.
  int budget = 64;
  while (!work.empty()) {
    Value item = skipCasts(work.pop_back_val());
    if (--budget < 0)
      return Product{1, {value}};
    if (auto scalar = getScalar(item)) {
      product.constant *= *scalar;
    } else if (auto mul = item.getDefiningOp<nn::MulOp>()) {
      work.push_back(mul.getRhs());
      work.push_back(mul.getLhs());
    } else if (auto neg = item.getDefiningOp<nn::NegOp>()) {
      product.constant = -product.constant;
      work.push_back(neg.getInput());
    } else if (auto div = item.getDefiningOp<nn::DivOp>();
               div && getScalar(div.getRhs()) &&
               isa<FloatType>(tensorType(div.getResult()).getElementType())) {
      product.constant /= *getScalar(div.getRhs());
      work.push_back(div.getLhs());
    } else {
      product.factors.push_back(item);
    }
  }
  return product;
}

/// The v of `1 / sqrt(v)`; null where `value` is none.
static Value matchInverseRoot(Value value) {
  value = skipCasts(value);
  if (auto op = value.getDefiningOp<nn::RsqrtOp>())
    return op.getInput();
  if (auto op = value.getDefiningOp<nn::PowOp>();
      op && isScalar(op.getRhs(), -0.5))
    return op.getLhs();
  Value root;
  if (auto op = value.getDefiningOp<nn::ReciprocalOp>())
    root = op.getInput();
  else if (auto op = value.getDefiningOp<nn::DivOp>();
           op && isScalar(op.getLhs(), 1))
    root = op.getRhs();
  if (!root)
    return {};
  if (auto op = skipCasts(root).getDefiningOp<nn::SqrtOp>())
    return op.getInput();
  return {};
}

/// The v of `sqrt(v)`; null where `value` is none.
static Value matchRoot(Value value) {
  value = skipCasts(value);
  if (auto op = value.getDefiningOp<nn::SqrtOp>())
    return op.getInput();
  if (auto op = value.getDefiningOp<nn::PowOp>();
      op && isScalar(op.getRhs(), 0.5))
    return op.getLhs();
  return {};
}

std::optional<Normalized> llmc::matchNormalized(Value value) {
  value = skipCasts(value);
  Value input, under;
  if (auto mul = value.getDefiningOp<nn::MulOp>()) {
    for (auto [a, b] : bothOrders(mul))
      if (Value v = matchInverseRoot(b)) {
        input = a;
        under = v;
        break;
      }
  } else if (auto div = value.getDefiningOp<nn::DivOp>()) {
    input = div.getLhs();
    under = matchRoot(div.getRhs());
  }
  if (!under)
    return std::nullopt;
  auto sum = skipCasts(under).getDefiningOp<nn::AddOp>();
  if (!sum)
    return std::nullopt;
  for (auto [mean, epsilon] : bothOrders(sum))
    if (auto scalar = getScalar(epsilon); scalar && *scalar >= 0)
      return Normalized{skipCasts(input), skipCasts(mean), *scalar};
  return std::nullopt;
}

Value llmc::matchSquare(Value value) {
  value = skipCasts(value);
  if (auto op = value.getDefiningOp<nn::MulOp>())
    return op.getLhs() == op.getRhs() ? skipCasts(op.getLhs()) : Value();
  if (auto op = value.getDefiningOp<nn::PowOp>())
    return isScalar(op.getRhs(), 2) ? skipCasts(op.getLhs()) : Value();
  return {};
}

Value llmc::matchLastMean(Value value) {
  auto op = skipCasts(value).getDefiningOp<nn::ReduceMeanOp>();
  if (!op || !op.getKeepdims() || op.getAxes().size() != 1 ||
      op.getAxes()[0] != tensorType(op.getInput()).getRank() - 1)
    return {};
  return skipCasts(op.getInput());
}

Value llmc::makeInts(OpBuilder &builder, Location loc,
                     ArrayRef<int64_t> values) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getI64TensorAttr(values));
}

Value llmc::makeTranspose(OpBuilder &builder, Location loc, Value value,
                          ArrayRef<int64_t> perm) {
  SmallVector<int64_t> total(perm);
  while (auto op = value.getDefiningOp<nn::TransposeOp>()) {
    for (int64_t &axis : total)
      axis = op.getPerm()[axis];
    value = op.getInput();
  }
  if (isIdentityPermutation(total))
    return value;
  return nn::TransposeOp::create(builder, loc, value, total);
}

LogicalResult llmc::replaceBySame(RewriterBase &rewriter, Operation *op,
                                  Value value) {
  auto from = tensorType(op->getResult(0)), to = tensorType(value);
  if (from != to) {
    if (from.getElementType() != to.getElementType() ||
        failed(verifyCompatibleShape(from.getShape(), to.getShape())))
      return failure();
    SmallVector<int64_t> shape(to.getShape());
    for (auto [extent, known] : llvm::zip(shape, from.getShape()))
      if (ShapedType::isDynamic(extent))
        extent = known;
    auto merged = to.clone(shape);
    Operation *maker = value.getDefiningOp();
    if (merged != to) {
      if (!maker || !isa<nn::NNDialect>(maker->getDialect()) ||
          isa<nn::GetOp>(maker))
        return failure();
      rewriter.modifyOpInPlace(maker, [&] { value.setType(merged); });
    }
    // Users outside the dialect (a return) need the exact type.
    if (merged != from && llvm::any_of(op->getUsers(), [](Operation *user) {
          return !isa<nn::NNDialect>(user->getDialect());
        }))
      return failure();
  }
  rewriter.replaceOp(op, value);
  return success();
}
