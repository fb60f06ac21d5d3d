//===- LowerToKern.cpp - Packed ops and caches become kernels -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Passes/Dims.h"
#include "llmc/Passes/KernelPasses.h"

namespace llmc {
#define GEN_PASS_DEF_LOWERTOKERNPASS
#include "llmc/Passes/KernelPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

struct LowerToKern : llmc::impl::LowerToKernPassBase<LowerToKern> {
  void runOnOperation() override {
    SmallVector<Operation *> work;
    bool failed = false;
    getOperation().walk([&](Operation *op) {
      if (!isa<pack::LinearOp, pack::GatherOp, nn::AppendOp,
               nn::CachedAttentionOp>(op))
        return;
      // A cache has its own element type.
      auto append = dyn_cast<nn::AppendOp>(op);
      Type type = getElementTypeOrSelf(append ? append.getInput().getType()
                                              : op->getResult(0).getType());
      if (!type.isF32()) {
        op->emitOpError("expected element type f32 but got ") << type;
        failed = true;
      }
      work.push_back(op);
    });
    // The order of a cache is decided while all ops still stand.
    llvm::DenseMap<Operation *, bool> holdsKeys;
    for (Operation *op : work)
      if (auto append = dyn_cast<nn::AppendOp>(op)) {
        std::optional<bool> keys = findRole(append);
        failed |= !keys;
        holdsKeys[op] = keys.value_or(false);
      }
    if (failed)
      return signalPassFailure();
    quantized.clear();
    rotated.clear();
    scaled.clear();
    capacities.clear();
    // Extents are computed from the symbols at the top of the function, while
    // all ops still stand; tensor.dim is left where no symbol tells one.
    SymbolicElements elements(getOperation());
    DimBuilder dims(getOperation(), elements.context());
    SmallVector<SmallVector<Value>> sizes;
    for (Operation *op : work) {
      sizes.emplace_back();
      auto type = cast<RankedTensorType>(op->getResult(0).getType());
      if (isa<nn::AppendOp>(op))
        continue;
      auto getSize = [&](Value of, int64_t axis, Value like) -> Value {
        if (Value size = dims.build(elements.dim(of, axis)))
          return size;
        OpBuilder builder(op);
        return tensor::DimOp::create(builder, op->getLoc(), like, axis);
      };
      Value like =
          isa<pack::GatherOp>(op) ? op->getOperand(1) : op->getOperand(0);
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i))
          sizes.back().push_back(getSize(op->getResult(0), i, like));
      auto attention = dyn_cast<nn::CachedAttentionOp>(op);
      if (attention && type.getShape().front() == 1)
        capacities[op] = getSize(attention.getKey(), 1, attention.getKey());
    }
    for (auto [op, extents] : llvm::zip(work, sizes)) {
      Value result = lower(op, extents, holdsKeys);
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    }
  }

  /// Whether attention reads the appended cache as key; empty after a report.
  std::optional<bool> findRole(nn::AppendOp append) {
    bool key = false, value = false;
    SmallVector<nn::AppendOp> appended{append};
    for (unsigned i = 0; i < appended.size(); ++i)
      for (OpOperand &use : appended[i]->getUses()) {
        if (auto attention = dyn_cast<nn::CachedAttentionOp>(use.getOwner())) {
          unsigned number = use.getOperandNumber();
          key |= number == attention.getKeyMutable().getOperandNumber();
          value |= number == attention.getValueMutable().getOperandNumber();
        } else if (auto next = dyn_cast<nn::AppendOp>(use.getOwner());
                   next && use.get() == next.getCache()) {
          appended.push_back(next);
        }
      }
    if (key != value)
      return key;
    append.emitOpError("expected its result to be read by attention either as "
                       "key or as value but got ")
        << (key ? "both" : "neither");
    return std::nullopt;
  }

  /// The quantized input of a product; products of one input, with the same
  /// factors, transform and activations, share it.
  Value quantize(pack::LinearOp linear, ValueRange extents) {
    Value input = linear.getInput(), factors = linear.getFactors();
    int64_t columns = linear.getWeight().getType().getColumns();
    OpBuilder builder(linear);
    if (int64_t size = getHadamard(linear.getWeight())) {
      Value &result = rotated[{input, factors, size, linear->getBlock()}];
      if (!result)
        result = rotate(builder, linear.getLoc(), input, factors, columns, size,
                        extents);
      input = result;
      factors = {};
    }
    if (isPermuted(linear.getWeight())) {
      // Every matrix has its own order.
      Value init =
          tensor::EmptyOp::create(builder, linear.getLoc(),
                                  getRowType(builder, input, columns), extents);
      input = kern::PermuteOp::create(builder, linear.getLoc(), init.getType(),
                                      input, linear.getWeight(), factors, init)
                  .getResult();
      factors = {};
    }
    kern::Activations activations = getActivations(linear);
    Value &result =
        quantized[{input, factors, activations, linear->getBlock()}];
    if (result)
      return result;
    SmallVector<int64_t> shape(
        cast<RankedTensorType>(input.getType()).getShape());
    shape.back() = kern::getInputRowBytes(columns, activations);
    auto type = RankedTensorType::get(shape, builder.getI8Type());
    Value init =
        tensor::EmptyOp::create(builder, linear.getLoc(), type, extents);
    result = kern::QuantizeOp::create(builder, linear.getLoc(), type, input,
                                      factors, init)
                 .getResult();
    return result;
  }

  /// Columns of a block of the transform of a weight's format; 0: it has none.
  static int64_t getHadamard(Value weight) {
    auto type = cast<pack::TensorType>(weight.getType());
    auto format = dyn_cast<pack::QuantizedAttr>(Attribute(type.getFormat()));
    return format ? pack::getFormat(format).hadamard : 0;
  }

  /// Whether the format of a quantized weight has an order of columns.
  static bool isPermuted(Value weight) {
    auto type = cast<pack::TensorType>(weight.getType());
    return pack::getFormat(
               cast<pack::QuantizedAttr>(Attribute(type.getFormat())))
        .permuted;
  }

  /// `input` in f32 with `columns` columns.
  static RankedTensorType getRowType(OpBuilder &builder, Value input,
                                     int64_t columns) {
    SmallVector<int64_t> shape(
        cast<RankedTensorType>(input.getType()).getShape());
    shape.back() = columns;
    return RankedTensorType::get(shape, builder.getF32Type());
  }

  /// Rows times the transform.
  static Value rotate(OpBuilder &builder, Location loc, Value input,
                      Value factors, int64_t columns, int64_t size,
                      ValueRange extents) {
    RankedTensorType type = getRowType(builder, input, columns);
    Value init = tensor::EmptyOp::create(builder, loc, type, extents);
    return kern::RotateOp::create(builder, loc, type, input, factors, init,
                                  size)
        .getResult();
  }

  /// The input of a product times its factors; products share it. It stands where
  /// both are known, so that it keeps no product from joining those before it.
  Value scaleInput(pack::LinearOp linear) {
    Value input = linear.getInput(), factors = linear.getFactors();
    if (!factors)
      return input;
    Block *block = linear->getBlock();
    Value &result = scaled[{input, factors, block}];
    if (result)
      return result;
    Operation *last = nullptr;
    for (Value each : {input, factors})
      if (Operation *source = each.getDefiningOp();
          source && source->getBlock() == block &&
          (!last || last->isBeforeInBlock(source)))
        last = source;
    OpBuilder builder(block,
                      last ? std::next(last->getIterator()) : block->begin());
    result = nn::MulOp::create(builder, linear.getLoc(), input.getType(), input,
                               factors);
    return result;
  }

  /// Adds to `product` what the format of the weight adds to its codes.
  Value addSides(OpBuilder &builder, pack::LinearOp linear, ValueRange extents,
                 Value product) {
    FormatDescription format = pack::getFormat(cast<pack::QuantizedAttr>(
        Attribute(linear.getWeight().getType().getFormat())));
    if (format.rank)
      product = addLowRank(builder, linear, extents, product, format.rank);
    if (format.sparse)
      product = kern::SparseLinearOp::create(
                    builder, linear.getLoc(), product.getType(),
                    scaleInput(linear), linear.getWeight(), product)
                    .getResult();
    return product;
  }

  /// The input, not rounded, goes through both matrices one after the other.
  Value addLowRank(OpBuilder &builder, pack::LinearOp linear,
                   ValueRange extents, Value product, int64_t rank) {
    Location loc = linear.getLoc();
    Value weight = linear.getWeight();
    auto type = cast<RankedTensorType>(product.getType());
    SmallVector<int64_t> shape(type.getShape());
    shape.back() = rank;
    auto inner = RankedTensorType::get(shape, type.getElementType());
    Value init = tensor::EmptyOp::create(builder, loc, inner, extents);
    Value right = kern::SideOp::create(builder, loc, weight, /*left=*/false);
    Value sums = kern::LinearOp::create(builder, loc, inner, scaleInput(linear),
                                        right, /*bias=*/Value(), init)
                     .getResult();
    Value left = kern::SideOp::create(builder, loc, weight, /*left=*/true);
    return kern::LinearOp::create(builder, loc, type, sums, left,
                                  /*bias=*/Value(), product, /*joined=*/false,
                                  /*adds=*/true)
        .getResult();
  }

  static kern::Activations getActivations(pack::LinearOp linear) {
    std::optional<Type> type = linear.getActivations();
    if (!type || type->isInteger(8))
      return kern::Activations::I8;
    return type->isF32()    ? kern::Activations::F32
           : type->isBF16() ? kern::Activations::BF16
                            : kern::Activations::I16;
  }

  Value lower(Operation *op, ValueRange extents,
              llvm::DenseMap<Operation *, bool> &holdsKeys) {
    OpBuilder builder(op);
    Location loc = op->getLoc();
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Value init;
    if (!isa<nn::AppendOp>(op))
      init = tensor::EmptyOp::create(builder, loc, type, extents);
    if (auto linear = dyn_cast<pack::LinearOp>(op)) {
      if (linear.getWeight().getType().isQuantized())
        return addSides(builder, linear, extents,
                        kern::QuantizedLinearOp::create(
                            builder, loc, type, quantize(linear, extents),
                            linear.getWeight(), linear.getBias(), init)
                            .getResult());
      return kern::LinearOp::create(builder, loc, type, linear.getInput(),
                                    linear.getWeight(), linear.getBias(), init)
          .getResult();
    }
    if (auto gather = dyn_cast<pack::GatherOp>(op)) {
      Value rows =
          kern::GatherOp::create(builder, loc, type, gather.getWeight(),
                                 gather.getIndices(), init)
              .getResult();
      if (int64_t size = getHadamard(gather.getWeight()))
        rows = rotate(builder, loc, rows, Value(), type.getShape().back(), size,
                      extents);
      return rows;
    }
    if (auto append = dyn_cast<nn::AppendOp>(op))
      return kern::AppendOp::create(builder, loc, type, append.getInput(),
                                    append.getPosition(), append.getCache(),
                                    holdsKeys.lookup(op))
          .getResult();
    return lower(builder, cast<nn::CachedAttentionOp>(op), type, init);
  }

  Value lower(OpBuilder &builder, nn::CachedAttentionOp op,
              RankedTensorType type, Value init) {
    Location loc = op.getLoc();
    if (type.getShape().front() != 1)
      return kern::AttentionOp::create(
                 builder, loc, type, op.getQuery(), op.getKey(), op.getValue(),
                 op.getPosition(), init, op.getScaleAttr(), op.getWindowAttr(),
                 op.getSoftcapAttr())
          .getResult();
    // One row: a long cache is what there is to share among threads.
    Value size = arith::ConstantIndexOp::create(builder, loc, kern::kChunk);
    Value chunks =
        arith::CeilDivUIOp::create(builder, loc, capacities.at(op), size);
    auto rows = RankedTensorType::get({ShapedType::kDynamic, type.getShape()[1],
                                       kern::getChunkRow(type.getShape()[2])},
                                      type.getElementType());
    Value each = tensor::EmptyOp::create(builder, loc, rows, chunks);
    each = kern::AttentionChunksOp::create(
               builder, loc, rows, op.getQuery(), op.getKey(), op.getValue(),
               op.getPosition(), each, op.getScaleAttr(), op.getWindowAttr(),
               op.getSoftcapAttr())
               .getResult();
    return kern::AttentionJoinOp::create(builder, loc, type, each,
                                         op.getPosition(), init,
                                         op.getWindowAttr())
        .getResult();
  }

  llvm::DenseMap<std::tuple<Value, Value, kern::Activations, Block *>, Value>
      quantized;
  llvm::DenseMap<std::tuple<Value, Value, int64_t, Block *>, Value> rotated;
  llvm::DenseMap<std::tuple<Value, Value, Block *>, Value> scaled;
  /// Of the caches that attention of one row reads.
  llvm::DenseMap<Operation *, Value> capacities;
};

} // namespace
