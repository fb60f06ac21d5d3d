//===- NNAttention.cpp - Inference of attention, rotary embedding and cache ops
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/NN/NNOps.h"

#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::nn;

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNAttention.cpp.inc"

void NNDialect::registerAttentionOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/NN/NNAttention.cpp.inc"
      >();
}

/// Rules [C1] to [C3] that both attentions share: `heads` is the axis of the
/// heads in key and value, `time` that of their rows.
static LogicalResult checkAttention(MaybeLoc loc, StringRef op,
                                    RankedTensorType query,
                                    RankedTensorType key,
                                    RankedTensorType value, int64_t rank,
                                    int64_t time, int64_t heads) {
  bool cached = op.ends_with("cached_attention");
  int64_t cacheRank = cached ? 3 : rank;
  Type element = query.getElementType();
  if (query.getRank() != rank || key.getRank() != cacheRank ||
      value.getRank() != cacheRank ||
      key.getElementType() != value.getElementType() ||
      !(key.getElementType() == element ||
        (cached && canCache(key, element) && canCache(value, element)))) // [C1]
    return inferError(
        loc, op,
        "expected query, key and value of one element type" +
            Twine(cached ? ", or a cache of f32 in bf16 or i8," : "") +
            " and of ranks " + Twine(rank) + ", " + Twine(cacheRank) + ", " +
            Twine(cacheRank));
  if (!agree(key.getDimSize(time), value.getDimSize(time)) ||
      !agree(key.getDimSize(heads), value.getDimSize(heads)) ||
      !agree(query.getShape().back(), getCachedChannels(key))) // [C2]
    return inferError(
        loc, op,
        "expected key and value of equal rows and heads, and query "
        "and key of equal head size, but got " +
            shapeText(query.getShape()) + ", " + shapeText(key.getShape()) +
            ", " + shapeText(value.getShape()));
  int64_t queryHeads = query.getDimSize(rank - 2),
          keyHeads = key.getDimSize(heads);
  if (!ShapedType::isDynamic(queryHeads) && !ShapedType::isDynamic(keyHeads) &&
      (keyHeads <= 0 || queryHeads % keyHeads)) // [C3]
    return inferError(
        loc, op,
        "expected query heads to be a multiple of key heads but got " +
            Twine(queryHeads) + " and " + Twine(keyHeads));
  return success();
}

LogicalResult AttentionOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto q = tensorType(adaptor.getQuery()), k = tensorType(adaptor.getKey()),
       v = tensorType(adaptor.getValue());
  if (failed(checkAttention(loc, getOperationName(), q, k, v, 4, 1, 2)))
    return failure();
  if (Value mask = adaptor.getMask()) {
    auto m = tensorType(mask);
    SmallVector<int64_t> scores{q.getDimSize(0), q.getDimSize(2),
                                q.getDimSize(1), k.getDimSize(1)};
    auto shape = broadcastShapes({m.getShape(), scores});
    if (!shape || shape->size() != 4 ||
        !(m.getElementType().isInteger(1) ||
          m.getElementType() == q.getElementType())) // [C4]
      return inferError(
          loc, getOperationName(),
          "expected a boolean mask, or one of the query's element "
          "type, that broadcasts to " +
              shapeText(scores) + " but got " + shapeText(m.getShape()));
  }
  if (auto window = adaptor.getWindow())
    if (static_cast<int64_t>(*window) < 1 || !adaptor.getCausal()) // [C5]
      return inferError(loc, getOperationName(),
                        "expected a positive 'window' together with 'causal'");
  SmallVector<int64_t> shape(q.getShape());
  shape.back() = v.getShape().back();
  types.push_back(RankedTensorType::get(shape, q.getElementType()));
  return success();
}

LogicalResult CachedAttentionOp::inferReturnTypes(
    MLIRContext *, MaybeLoc loc, ValueRange operands, DictionaryAttr attrs,
    OpaqueProperties props, RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto q = tensorType(adaptor.getQuery()), k = tensorType(adaptor.getKey()),
       v = tensorType(adaptor.getValue());
  if (failed(checkAttention(loc, getOperationName(), q, k, v, 3, 1, 0)))
    return failure();
  if (auto window = adaptor.getWindow())
    if (static_cast<int64_t>(*window) < 1) // [C4]
      return inferError(loc, getOperationName(),
                        "expected a positive 'window'");
  SmallVector<int64_t> shape(q.getShape());
  shape.back() = getCachedChannels(v);
  types.push_back(RankedTensorType::get(shape, q.getElementType()));
  return success();
}

LogicalResult
AppendOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto cache = tensorType(adaptor.getCache()),
       x = tensorType(adaptor.getInput());
  if (cache.getRank() != 3 || x.getRank() != 3 ||
      !canCache(cache, x.getElementType())) // [C1]
    return inferError(loc, getOperationName(),
                      "expected cache and input of rank 3 and one element "
                      "type, or a cache of f32 in bf16 or i8");
  if (!agree(cache.getDimSize(0), x.getDimSize(1)) ||
      !agree(getCachedChannels(cache), x.getDimSize(2))) // [C2]
    return inferError(loc, getOperationName(),
                      "expected equal heads and head sizes but got " +
                          shapeText(cache.getShape()) + " and " +
                          shapeText(x.getShape()));
  types.push_back(cache);
  return success();
}

LogicalResult
RotaryOp::inferReturnTypes(MLIRContext *, MaybeLoc loc, ValueRange operands,
                           DictionaryAttr attrs, OpaqueProperties props,
                           RegionRange regions, SmallVectorImpl<Type> &types) {
  Adaptor adaptor(operands, attrs, props, regions);
  auto x = tensorType(adaptor.getInput()), c = tensorType(adaptor.getCos()),
       s = tensorType(adaptor.getSin());
  int64_t rank = x.getRank();
  bool good = (rank == 3 || rank == 4) && c.getRank() == rank - 1;
  for (int64_t i = 0; good && i < rank - 2; ++i)
    good = agree(x.getDimSize(i), c.getDimSize(i)) || c.getDimSize(i) == 1;
  if (!good) // [C1]
    return inferError(loc, getOperationName(),
                      "expected input [..., time, heads, size] and tables "
                      "[..., time, size / 2] but got " +
                          shapeText(x.getShape()) + " and " +
                          shapeText(c.getShape()));
  if (c.getElementType() != s.getElementType() ||
      c.getElementType() != x.getElementType() ||
      failed(verifyCompatibleShape(c, s))) // [C2]
    return inferError(
        loc, getOperationName(),
        "expected 'cos' and 'sin' of one type, and the element type "
        "of the input");
  int64_t half = c.getShape().back(), size = x.getShape().back();
  if (!ShapedType::isDynamic(half) && !ShapedType::isDynamic(size) &&
      2 * half > size) // [C3]
    return inferError(loc, getOperationName(),
                      "expected tables of at most " + Twine(size / 2) +
                          " columns but got " + Twine(half));
  types.push_back(x);
  return success();
}
