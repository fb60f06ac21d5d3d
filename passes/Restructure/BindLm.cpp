//===- BindLm.cpp - The entry @lm, with its policy bound ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The policy of @lm (mask of ones, positions past + row, batch 1) is written
// into the IR as values, so that the fuse passes prove with it what holds for
// the model at large only under conditions.
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Passes/RestructurePasses.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace llmc {
#define GEN_PASS_DEF_BINDLMPASS
#include "llmc/Passes/RestructurePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// The arguments of a language model, by what they mean.
struct Signature {
  BlockArgument ids, mask, positions;
  SmallVector<BlockArgument> pasts;
  unsigned logits = 0;
};

StringRef getName(func::FuncOp function, unsigned argument) {
  auto name =
      function.getArgAttrOfType<StringAttr>(argument, nn::NNDialect::kName);
  return name ? name.getValue() : StringRef();
}

/// The signature of `main`, or why it is none of a causal language model.
FailureOr<Signature> getSignature(func::FuncOp main, std::string &reason) {
  Signature signature;
  auto refuse = [&](const Twine &text) -> FailureOr<Signature> {
    reason = text.str();
    return failure();
  };
  if (!llvm::hasSingleElement(main.getBody()))
    return refuse("expected @main to have one block");
  SmallVector<BlockArgument> integers;
  for (BlockArgument argument : main.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    StringRef name = getName(main, argument.getArgNumber());
    if (type && type.getRank() == 2 && type.getElementType().isInteger() &&
        !type.getElementType().isInteger(1)) {
      if (name.contains("attention_mask") && !signature.mask)
        signature.mask = argument;
      else if (name.contains("position_ids") && !signature.positions)
        signature.positions = argument;
      else
        integers.push_back(argument);
    } else if (type && type.getRank() == 4 && name.contains("past") &&
               isa<FloatType>(type.getElementType())) {
      if (type.isDynamicDim(1))
        return refuse("input '" + name + "': expected a known number of heads");
      signature.pasts.push_back(argument);
    } else {
      return refuse("input '" + name +
                    "' is neither ids nor a mask, positions or a past");
    }
  }
  if (integers.size() != 1)
    return refuse("expected one input of ids [batch, seq] but got " +
                  Twine(integers.size()));
  signature.ids = integers.front();
  auto ids = cast<RankedTensorType>(signature.ids.getType());
  if (!ids.isDynamicDim(0) && ids.getDimSize(0) != 1)
    return refuse("expected a batch of one, or of any size, but got " +
                  Twine(ids.getDimSize(0)));
  if (!ids.isDynamicDim(1))
    return refuse("expected any number of tokens but got " +
                  Twine(ids.getDimSize(1)));
  auto results = main.getResultTypes();
  auto isLogits = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && tensor.getRank() == 3 && !tensor.isDynamicDim(2) &&
           isa<FloatType>(tensor.getElementType());
  };
  auto *found = llvm::find_if(results, isLogits);
  if (found == results.end())
    return refuse("expected an output of logits [batch, seq, vocabulary]");
  signature.logits = std::distance(results.begin(), found);
  if (results.size() != 1 + signature.pasts.size())
    return refuse("expected a present for each of the " +
                  Twine(signature.pasts.size()) + " pasts but got " +
                  Twine(results.size() - 1));
  return signature;
}

class Binder {
public:
  Binder(func::FuncOp main, const Signature &signature)
      : main(main), signature(signature), builder(main.getContext()),
        loc(main.getLoc()) {}

  void run() {
    builder.setInsertionPointAfter(main);
    lm = func::FuncOp::create(builder, loc, kLmEntry,
                              builder.getFunctionType({}, {}));
    Block *block = lm.addEntryBlock();
    builder.setInsertionPointToStart(block);
    auto i64 = builder.getI64Type();
    Value ids =
        addArgument(RankedTensorType::get({ShapedType::kDynamic}, i64),
                    {{nn::NNDialect::kName, builder.getStringAttr("ids")},
                     {nn::NNDialect::kDims, builder.getStrArrayAttr({"seq"})}});
    Value seq = addSymbol("seq"), past = addSymbol("past");
    addSymbol("n_logits");
    addSymbol("context");
    for (BlockArgument argument : signature.pasts)
      addPast(argument);

    bindIds(ids);
    Value seqInt = arith::IndexCastOp::create(builder, loc, i64, seq);
    Value start =
        signature.pasts.empty()
            ? arith::ConstantIntOp::create(builder, loc, 0, 64)
            : arith::IndexCastOp::create(builder, loc, i64, past).getResult();
    Value total = arith::AddIOp::create(builder, loc, start, seqInt);
    if (signature.mask)
      bindMask(total);
    if (signature.positions)
      bindPositions(start, total);

    for (Operation &op : main.getBody().front().without_terminator())
      builder.clone(op, mapping);
    Operation *terminator = main.getBody().front().getTerminator();
    Operation *end = builder.clone(*terminator, mapping);
    lm.setFunctionType(builder.getFunctionType(block->getArgumentTypes(),
                                               end->getOperandTypes()));
    for (auto [i, attributes] : llvm::enumerate(argumentAttributes))
      lm.setArgAttrs(i, attributes);
    lm.setResultAttr(signature.logits, nn::NNDialect::kName,
                     builder.getStringAttr("logits"));
  }

private:
  Value addArgument(Type type, ArrayRef<NamedAttribute> attributes) {
    argumentAttributes.push_back(builder.getDictionaryAttr(attributes));
    return lm.getBody().front().addArgument(type, loc);
  }

  Value addSymbol(StringRef name) {
    return addArgument(builder.getIndexType(),
                       {{nn::NNDialect::kSymbol, builder.getStringAttr(name)}});
  }

  void addPast(BlockArgument argument) {
    auto type = cast<RankedTensorType>(argument.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape[0] = 1;
    shape[2] = ShapedType::kDynamic;
    SmallVector<Attribute> dims{builder.getI64IntegerAttr(1),
                                builder.getI64IntegerAttr(shape[1]),
                                builder.getStringAttr("past"),
                                ShapedType::isDynamic(shape[3])
                                    ? Attribute(builder.getStringAttr("size"))
                                    : builder.getI64IntegerAttr(shape[3])};
    Value value = addArgument(
        type.clone(shape),
        {{nn::NNDialect::kName,
          builder.getStringAttr(getName(main, argument.getArgNumber()))},
         {nn::NNDialect::kDims, builder.getArrayAttr(dims)}});
    mapping.map(argument, value);
  }

  void bindIds(Value ids) {
    auto type = cast<RankedTensorType>(signature.ids.getType());
    Value batch = nn::UnsqueezeOp::create(builder, loc, ids,
                                          builder.getDenseI64ArrayAttr({0}));
    mapping.map(signature.ids, castTo(batch, type.getElementType()));
  }

  void bindMask(Value total) {
    auto type = cast<RankedTensorType>(signature.mask.getType());
    Value one = arith::ConstantIntOp::create(builder, loc, 1, 64);
    Value shape = tensor::FromElementsOp::create(
        builder, loc, RankedTensorType::get({2}, builder.getI64Type()),
        ValueRange{one, total});
    Value fill = arith::ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(
            RankedTensorType::get({}, type.getElementType()),
            builder.getIntegerAttr(type.getElementType(), 1)));
    mapping.map(signature.mask,
                nn::FullOp::create(builder, loc, shape, fill).getResult());
  }

  void bindPositions(Value start, Value total) {
    auto type = cast<RankedTensorType>(signature.positions.getType());
    auto scalar = RankedTensorType::get({}, builder.getI64Type());
    auto toTensor = [&](Value value) -> Value {
      return tensor::FromElementsOp::create(builder, loc, scalar, value);
    };
    Value one = arith::ConstantIntOp::create(builder, loc, 1, 64);
    Value range = nn::RangeOp::create(builder, loc, toTensor(start),
                                      toTensor(total), toTensor(one));
    Value batch = nn::UnsqueezeOp::create(builder, loc, range,
                                          builder.getDenseI64ArrayAttr({0}));
    mapping.map(signature.positions, castTo(batch, type.getElementType()));
  }

  Value castTo(Value value, Type elementType) {
    auto type = cast<RankedTensorType>(value.getType());
    if (type.getElementType() == elementType)
      return value;
    return nn::CastOp::create(builder, loc, type.clone(elementType), value);
  }

  func::FuncOp main, lm;
  const Signature &signature;
  OpBuilder builder;
  Location loc;
  IRMapping mapping;
  SmallVector<DictionaryAttr> argumentAttributes;
};

struct BindLmPass : llmc::impl::BindLmPassBase<BindLmPass> {
  using BindLmPassBase::BindLmPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>(kMainEntry);
    std::string reason = "expected a function @main";
    FailureOr<Signature> signature = failure();
    if (module.lookupSymbol(kLmEntry))
      reason = "there is an entry @lm already";
    else if (main && !main.isDeclaration())
      signature = getSignature(main, reason);
    if (succeeded(signature)) {
      Binder(main, *signature).run();
      return;
    }
    Operation *at = main ? main.getOperation() : module.getOperation();
    if (!require) {
      at->emitRemark("no entry 'lm': ") << reason;
      return;
    }
    at->emitError("no entry 'lm': ") << reason;
    signalPassFailure();
  }
};

} // namespace
