//===- Dims.cpp - Symbolic extents as values of type index ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/Dims.h"
#include "llmc/Dialect/NN/NNDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;

void llmc::collectAtoms(SymExpr expr, llvm::SetVector<SymExpr> &atoms) {
  if (!expr)
    return;
  switch (expr.kind()) {
  case SymKind::Constant:
  case SymKind::Real:
  case SymKind::Bool:
    return;
  case SymKind::Symbol:
  case SymKind::Index:
  case SymKind::Element:
  case SymKind::Apply:
    atoms.insert(expr);
    return;
  case SymKind::Polynomial:
    for (const SymTerm &term : expr->getTerms())
      for (SymExpr factor : term.factors)
        collectAtoms(factor, atoms);
    return;
  default:
    for (SymExpr operand : expr->getOperands())
      collectAtoms(operand, atoms);
  }
}

Value SymExprBuilder::build(SymExpr expr) {
  if (!expr)
    return {};
  if (Value known = values.lookup(expr))
    return known;
  Value value = buildUncached(expr);
  if (value)
    values[expr] = value;
  return value;
}

Value SymExprBuilder::buildUncached(SymExpr expr) {
  SmallVector<Value> operands;
  auto buildOperands = [&] {
    for (SymExpr operand : expr->getOperands()) {
      operands.push_back(build(operand));
      if (!operands.back())
        return false;
    }
    return true;
  };
  switch (expr.kind()) {
  case SymKind::Constant:
    return arith::ConstantIndexOp::create(builder, loc, expr->getValue());
  case SymKind::Bool:
    return arith::ConstantIntOp::create(builder, loc, expr->getValue(), 1);
  case SymKind::Symbol:
    return lookup(expr->getName());
  case SymKind::Polynomial: {
    Value sum;
    for (const SymTerm &term : expr->getTerms()) {
      Value product;
      if (term.coefficient != 1 || term.factors.empty())
        product = build(context.constant(term.coefficient));
      for (SymExpr factor : term.factors) {
        Value value = build(factor);
        if (!value)
          return {};
        product =
            product ? Value(arith::MulIOp::create(builder, loc, product, value))
                    : value;
      }
      sum = sum ? Value(arith::AddIOp::create(builder, loc, sum, product))
                : product;
    }
    return sum;
  }
  case SymKind::FloorDiv: {
    if (!buildOperands())
      return {};
    // Division traps on zero; a quotient by an extent of zero is never used.
    Value divisor = operands[1];
    bool positive = context.isPositive(expr->getOperand(1));
    if (!positive) {
      Value isZero =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, divisor,
                                build(context.constant(0)));
      divisor = arith::SelectOp::create(builder, loc, isZero,
                                        build(context.constant(1)), divisor);
    }
    if (positive && context.isNonNegative(expr->getOperand(0)))
      return arith::DivUIOp::create(builder, loc, operands[0], divisor);
    return arith::FloorDivSIOp::create(builder, loc, operands[0], divisor);
  }
  case SymKind::Min:
  case SymKind::Max: {
    if (!buildOperands())
      return {};
    if (expr.is(SymKind::Min))
      return arith::MinSIOp::create(builder, loc, operands[0], operands[1]);
    return arith::MaxSIOp::create(builder, loc, operands[0], operands[1]);
  }
  case SymKind::NonNegative:
  case SymKind::Zero: {
    if (!buildOperands())
      return {};
    auto predicate = expr.is(SymKind::Zero) ? arith::CmpIPredicate::eq
                                            : arith::CmpIPredicate::sge;
    return arith::CmpIOp::create(builder, loc, predicate, operands[0],
                                 build(context.constant(0)));
  }
  case SymKind::And:
  case SymKind::Or: {
    if (!buildOperands())
      return {};
    Value all = operands[0];
    for (Value operand : ArrayRef(operands).drop_front())
      all = expr.is(SymKind::And)
                ? Value(arith::AndIOp::create(builder, loc, all, operand))
                : Value(arith::OrIOp::create(builder, loc, all, operand));
    return all;
  }
  case SymKind::Not:
    if (!buildOperands())
      return {};
    return arith::XOrIOp::create(builder, loc, operands[0],
                                 build(context.boolean(true)));
  case SymKind::Select:
    if (!buildOperands())
      return {};
    return arith::SelectOp::create(builder, loc, operands[0], operands[1],
                                   operands[2]);
  default:
    return {};
  }
}

static OpBuilder atTop(func::FuncOp function) {
  return OpBuilder::atBlockBegin(&function.front());
}

DimBuilder::DimBuilder(func::FuncOp function, SymContext &context)
    : values(atTop(function), function.getLoc(), context,
             [this](StringRef name) { return symbols.lookup(name); }) {
  for (BlockArgument argument : function.getArguments())
    if (auto symbol = function.getArgAttrOfType<StringAttr>(
            argument.getArgNumber(), nn::NNDialect::kSymbol))
      symbols[symbol.getValue()] = argument;
}

std::string DimBuilder::getObstacle(SymExpr expr) {
  llvm::SetVector<SymExpr> atoms;
  collectAtoms(expr, atoms);
  for (SymExpr atom : atoms)
    if (!atom.is(SymKind::Symbol) || !symbols.contains(atom->getName()))
      return atom.str();
  return expr.str();
}
