//===- LevelsFunction.cpp - Levels as MLIR text ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/LevelsFunction.h"

#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace llmc;

/// Bounds of a text: it becomes part of every kernel of the format, eight times
/// for 32 columns.
static constexpr size_t kLongestText = 8192, kMostOps = 64, kDeepest = 16;
static constexpr int64_t kLargestTable = 256;

static constexpr StringLiteral kAllowed =
    "arith.constant, addi, subi, muli, andi, ori, xori, shli, shrui, shrsi, "
    "maxsi, maxui, minsi, minui, cmpi, select, extui, extsi, trunci, "
    "index_castui and vector.extract";

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static llvm::Error fail(Location where, const Twine &text) {
  if (auto line = dyn_cast<FileLineColLoc>(where))
    return llvm::createStringError("line " + Twine(line.getLine()) + ": " +
                                   text);
  return llvm::createStringError(text);
}

/// Parsers are recursive: texts that are deeper than any right one are not given
/// to one.
static bool isTooDeep(StringRef text) {
  size_t depth = 0;
  char last = 0;
  for (char c : text) {
    bool closes = StringRef(")]}").contains(c) || (c == '>' && last != '-');
    depth += StringRef("([{<").contains(c);
    depth -= closes && depth;
    if (depth > kDeepest)
      return true;
    last = c;
  }
  return false;
}

static llvm::Expected<OwningOpRef<ModuleOp>> parseText(StringRef text,
                                                       MLIRContext *context) {
  if (text.size() > kLongestText)
    return llvm::createStringError("expected at most " + Twine(kLongestText) +
                                   " bytes but got " + Twine(text.size()));
  if (isTooDeep(text))
    return llvm::createStringError("expected at most " + Twine(kDeepest) +
                                   " brackets inside each other");
  std::string message;
  Location first = UnknownLoc::get(context);
  ScopedDiagnosticHandler handler(context, [&](Diagnostic &diagnostic) {
    if (message.empty()) {
      message = diagnostic.str();
      first = diagnostic.getLocation();
    }
    return success();
  });
  ParserConfig config(context);
  auto module = parseSourceString<ModuleOp>(text, config, "levels");
  if (module)
    return std::move(module);
  return fail(first, message.empty() ? "expected MLIR text" : message);
}

static bool isNumber(Type type) {
  return type.isInteger(1) || type.isInteger(8) || type.isInteger(16) ||
         type.isInteger(32);
}

/// The levels of a look-up; null if `value` is something else.
static DenseIntElementsAttr findTable(Value value) {
  auto constant = value.getDefiningOp<arith::ConstantOp>();
  auto table = constant ? dyn_cast<DenseIntElementsAttr>(constant.getValue())
                        : DenseIntElementsAttr();
  return table;
}

/// A constant that nothing but look-ups read.
static llvm::Error checkTable(arith::ConstantOp op) {
  auto type = dyn_cast<VectorType>(op.getType());
  bool right = type && type.getRank() == 1 && !type.isScalable() &&
               type.getElementType().isInteger(8) &&
               type.getNumElements() <= kLargestTable &&
               isa<DenseIntElementsAttr>(op.getValue());
  for (Operation *user : op->getUsers())
    right &= isa<vector::ExtractOp>(user);
  if (right)
    return llvm::Error::success();
  return fail(op.getLoc(),
              "expected a number of i1, i8, i16 or i32, or a table "
              "of up to " +
                  Twine(kLargestTable) +
                  " levels of i8 that vector.extract reads");
}

static llvm::Error checkLookUp(vector::ExtractOp op) {
  auto index = op.getDynamicPosition().size() == 1
                   ? op.getDynamicPosition()[0].getDefiningOp()
                   : nullptr;
  if (findTable(op.getSource()) && op.getStaticPosition().size() == 1 &&
      isa_and_nonnull<arith::IndexCastUIOp>(index))
    return llvm::Error::success();
  return fail(op.getLoc(),
              "expected a level of a constant table at an index of "
              "arith.index_castui");
}

static llvm::Error checkCast(arith::IndexCastUIOp op) {
  bool right = op.getIn().getType().isInteger(8) && op.getType().isIndex();
  for (Operation *user : op->getUsers())
    right &= isa<vector::ExtractOp>(user);
  if (right)
    return llvm::Error::success();
  return fail(op.getLoc(),
              "expected an index from i8 that vector.extract reads");
}

/// All other ops are on numbers alone.
static llvm::Error checkOp(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op))
    return isNumber(constant.getType()) ? llvm::Error::success()
                                        : checkTable(constant);
  if (auto extract = dyn_cast<vector::ExtractOp>(op))
    return checkLookUp(extract);
  if (auto cast = dyn_cast<arith::IndexCastUIOp>(op))
    return checkCast(cast);
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::AndIOp,
           arith::OrIOp, arith::XOrIOp, arith::ShLIOp, arith::ShRUIOp,
           arith::ShRSIOp, arith::MaxSIOp, arith::MaxUIOp, arith::MinSIOp,
           arith::MinUIOp, arith::CmpIOp, arith::SelectOp, arith::ExtUIOp,
           arith::ExtSIOp, arith::TruncIOp>(op))
    return fail(op->getLoc(), "expected one of " + kAllowed + " but got '" +
                                  op->getName().getStringRef() + "'");
  for (Type type :
       llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()),
                                SmallVector<Type>(op->getResultTypes())))
    if (!isNumber(type)) {
      std::string text;
      llvm::raw_string_ostream(text) << type;
      return fail(op->getLoc(), "expected i1, i8, i16 or i32 but got " + text);
    }
  return llvm::Error::success();
}

static llvm::Expected<func::FuncOp> findFunction(ModuleOp module) {
  auto all = module.getOps<func::FuncOp>();
  if (!llvm::hasSingleElement(module.getBody()->getOperations()) || all.empty())
    return llvm::createStringError("expected one function, func.func @levels");
  func::FuncOp function = *all.begin();
  Type byte = IntegerType::get(module.getContext(), 8);
  auto type = FunctionType::get(module.getContext(), byte, byte);
  if (function.getName() != "levels" || function.getFunctionType() != type ||
      !llvm::hasSingleElement(function.getBody()))
    return fail(function.getLoc(),
                "expected func.func @levels(%code: i8) -> i8 "
                "of one block");
  Block &block = function.getBody().front();
  if (block.getOperations().size() > kMostOps + 1)
    return fail(function.getLoc(), "expected at most " + Twine(kMostOps) +
                                       " ops but got " +
                                       Twine(block.getOperations().size() - 1));
  for (Operation &op : block.without_terminator())
    if (llvm::Error error = checkOp(&op))
      return std::move(error);
  return function;
}

llvm::Expected<LevelsFunction>
LevelsFunction::parse(StringRef text, unsigned bits, MLIRContext *context) {
  auto module = parseText(text, context);
  if (!module)
    return module.takeError();
  auto function = findFunction(**module);
  if (!function)
    return function.takeError();
  LevelsFunction result;
  result.function = *function;
  result.module = std::make_shared<OwningOpRef<ModuleOp>>(std::move(*module));
  if (llvm::Error error = result.run(bits))
    return std::move(error);
  return result;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// What an op gives for numbers; empty where that is not defined.
static std::optional<APInt> evaluate(Operation *op, ArrayRef<APInt> x) {
  auto shift = [&](auto how) -> std::optional<APInt> {
    if (x[1].uge(x[0].getBitWidth()))
      return std::nullopt;
    return how(x[0], x[1]);
  };
  auto widthOf = [&] {
    return op->getResult(0).getType().getIntOrFloatBitWidth();
  };
  using Result = std::optional<APInt>;
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](arith::ConstantOp op) -> Result {
        if (auto number = dyn_cast<IntegerAttr>(op.getValue()))
          return number.getValue();
        return APInt(1, 0); // a table: see its look-up
      })
      .Case([&](vector::ExtractOp op) -> Result {
        DenseIntElementsAttr table = findTable(op.getSource());
        if (x[1].uge(table.getNumElements()))
          return std::nullopt;
        return table.getValues<APInt>()[x[1].getZExtValue()];
      })
      .Case([&](arith::IndexCastUIOp) -> Result { return x[0]; })
      .Case([&](arith::AddIOp) -> Result { return x[0] + x[1]; })
      .Case([&](arith::SubIOp) -> Result { return x[0] - x[1]; })
      .Case([&](arith::MulIOp) -> Result { return x[0] * x[1]; })
      .Case([&](arith::AndIOp) -> Result { return x[0] & x[1]; })
      .Case([&](arith::OrIOp) -> Result { return x[0] | x[1]; })
      .Case([&](arith::XOrIOp) -> Result { return x[0] ^ x[1]; })
      .Case([&](arith::ShLIOp) {
        return shift([](APInt a, const APInt &b) { return a.shl(b); });
      })
      .Case([&](arith::ShRUIOp) {
        return shift([](APInt a, const APInt &b) { return a.lshr(b); });
      })
      .Case([&](arith::ShRSIOp) {
        return shift([](APInt a, const APInt &b) { return a.ashr(b); });
      })
      .Case([&](arith::MaxSIOp) -> Result {
        return llvm::APIntOps::smax(x[0], x[1]);
      })
      .Case([&](arith::MaxUIOp) -> Result {
        return llvm::APIntOps::umax(x[0], x[1]);
      })
      .Case([&](arith::MinSIOp) -> Result {
        return llvm::APIntOps::smin(x[0], x[1]);
      })
      .Case([&](arith::MinUIOp) -> Result {
        return llvm::APIntOps::umin(x[0], x[1]);
      })
      .Case([&](arith::CmpIOp op) -> Result {
        return APInt(1,
                     arith::applyCmpPredicate(op.getPredicate(), x[0], x[1]));
      })
      .Case(
          [&](arith::SelectOp) -> Result { return x[0].isOne() ? x[1] : x[2]; })
      .Case([&](arith::ExtUIOp) -> Result { return x[0].zext(widthOf()); })
      .Case([&](arith::ExtSIOp) -> Result { return x[0].sext(widthOf()); })
      .Case([&](arith::TruncIOp) -> Result { return x[0].trunc(widthOf()); })
      .Default([](Operation *) -> Result {
        llvm_unreachable("an op that was not allowed");
      });
}

llvm::Error LevelsFunction::run(unsigned bits) {
  Block &block = function.getBody().front();
  for (unsigned code = 0; code < 1u << bits; ++code) {
    DenseMap<Value, APInt> values{{block.getArgument(0), APInt(8, code)}};
    for (Operation &op : block.without_terminator()) {
      SmallVector<APInt, 3> operands;
      for (Value operand : op.getOperands())
        operands.push_back(values.at(operand));
      auto result = evaluate(&op, operands);
      if (!result)
        return fail(op.getLoc(), "for code " + Twine(code) + ", '" +
                                     op.getName().getStringRef() +
                                     "' is not defined: it " +
                                     (isa<vector::ExtractOp>(op)
                                          ? "reads outside of the table"
                                          : "shifts by the width or more"));
      values[op.getResult(0)] = *result;
    }
    Value level = block.getTerminator()->getOperand(0);
    table.push_back(static_cast<int8_t>(values.at(level).getSExtValue()));
  }
  return llvm::Error::success();
}

llvm::Expected<SmallVector<int8_t>> llmc::runLevels(StringRef text,
                                                    unsigned bits) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<arith::ArithDialect, func::FuncDialect,
                      vector::VectorDialect>();
  auto function = LevelsFunction::parse(text, bits, &context);
  if (!function)
    return function.takeError();
  return SmallVector<int8_t>(function->getTable());
}

//===----------------------------------------------------------------------===//
// Splicing
//===----------------------------------------------------------------------===//

static Value emitConstant(Emitter &e, IntegerAttr number, int64_t lanes) {
  auto type = VectorType::get({lanes}, number.getType());
  return e.create<arith::ConstantOp>(
      SplatElementsAttr::get(type, number.getValue()));
}

/// An op on numbers, with vectors in their place.
static Value emitOp(Emitter &e, Operation *op, ArrayRef<Value> x,
                    VectorType type) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::AndIOp,
            arith::OrIOp, arith::XOrIOp, arith::ShLIOp, arith::ShRUIOp,
            arith::ShRSIOp, arith::MaxSIOp, arith::MaxUIOp, arith::MinSIOp,
            arith::MinUIOp>([&](auto same) -> Value {
        return e.create<decltype(same)>(x[0], x[1]);
      })
      .Case<arith::ExtUIOp, arith::ExtSIOp, arith::TruncIOp>(
          [&](auto same) -> Value {
            return e.create<decltype(same)>(type, x[0]);
          })
      .Case([&](arith::CmpIOp same) -> Value {
        return e.create<arith::CmpIOp>(same.getPredicate(), x[0], x[1]);
      })
      .Case([&](arith::SelectOp) -> Value {
        return e.create<arith::SelectOp>(x[0], x[1], x[2]);
      })
      .Default([](Operation *) -> Value {
        llvm_unreachable("an op that was not allowed");
      });
}

Value LevelsFunction::emit(Emitter &e, Value codes, int64_t added,
                           LookUp lookUp) const {
  Block &block = const_cast<func::FuncOp &>(function).getBody().front();
  int64_t lanes = cast<VectorType>(codes.getType()).getDimSize(0);
  Value level = block.getTerminator()->getOperand(0);
  DenseMap<Value, Value> values{{block.getArgument(0), codes}};
  for (Operation &op : block.without_terminator()) {
    Value result = op.getResult(0);
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto number = dyn_cast<IntegerAttr>(constant.getValue()))
        values[result] = emitConstant(e, number, lanes);
    } else if (auto cast = dyn_cast<arith::IndexCastUIOp>(op)) {
      values[result] = values.at(cast.getIn());
    } else if (auto extract = dyn_cast<vector::ExtractOp>(op)) {
      // What is added to the level is added to those of the table for nothing.
      int64_t more = result == level && level.hasOneUse() ? added : 0;
      added -= more;
      SmallVector<uint8_t> entries;
      for (const APInt &entry :
           findTable(extract.getSource()).getValues<APInt>())
        entries.push_back(static_cast<uint8_t>(entry.getSExtValue() + more));
      values[result] =
          lookUp(values.at(extract.getDynamicPosition()[0]), entries);
    } else {
      SmallVector<Value, 3> operands;
      for (Value operand : op.getOperands())
        operands.push_back(values.at(operand));
      values[result] =
          emitOp(e, &op, operands, VectorType::get({lanes}, result.getType()));
    }
  }
  Value found = values.at(level);
  if (!added)
    return found;
  auto more = IntegerAttr::get(e.getI8Type(), static_cast<int8_t>(added));
  return e.create<arith::AddIOp>(found, emitConstant(e, more, lanes));
}
