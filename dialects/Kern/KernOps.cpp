//===- KernOps.cpp - Rules, effects and shapes of the kernel ops ----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/NN/NNInference.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Formats/Hadamard.h"
#include "llmc/Formats/Layout.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::kern;
using llmc::nn::agree;

#define GET_OP_CLASSES
#include "llmc/Dialect/Kern/KernOps.cpp.inc"

void KernDialect::registerOps() {
  addOperations<
#define GET_OP_LIST
#include "llmc/Dialect/Kern/KernOps.cpp.inc"
      >();
}

/// Of a product with a matrix.
static LogicalResult verifyShapes(Operation *op, ArrayRef<int64_t> x,
                                  ArrayRef<int64_t> y, pack::TensorType w) {
  if (!x.empty() && !y.empty() && agree(x.drop_back(), y.drop_back()) &&
      agree(x.back(), w.getColumns()) && agree(y.back(), w.getRows()))
    return success();
  return op->emitOpError("expected 'input' [..., ")
         << w.getColumns() << "] and 'init' [..., " << w.getRows()
         << "] but got " << nn::shapeText(x) << " and " << nn::shapeText(y);
}

LogicalResult LinearOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    y = getInit().getType().getShape();
  pack::TensorType w = getWeight().getType();
  if (failed(verifyShapes(*this, x, y, w))) // [C1]
    return failure();
  if (Value bias = getBias()) {
    ArrayRef<int64_t> b = cast<ShapedType>(bias.getType()).getShape();
    if (b.size() != 1 || !agree(b[0], w.getRows())) // [C2]
      return emitOpError("expected 'bias' of shape ")
             << w.getRows() << " but got " << nn::shapeText(b);
    if (getAdds()) // [C3]
      return emitOpError("expected no 'bias' of a product that is added");
  }
  return success();
}

/// The layout of a weight with a rank; empty for others.
static std::optional<llmc::PackedLayout> findSides(pack::TensorType weight) {
  auto format = dyn_cast<pack::QuantizedAttr>(Attribute(weight.getFormat()));
  if (!format || !pack::getFormat(format).rank)
    return std::nullopt;
  // The type is verified.
  return llvm::cantFail(llmc::PackedLayout::create(
      pack::getFormat(format), weight.getRows(), weight.getColumns(),
      weight.getLayout().getCount()));
}

static pack::TensorType getSideType(pack::TensorType weight, bool left,
                                    const llmc::PackedLayout &layout) {
  MLIRContext *context = weight.getContext();
  auto format = cast<pack::QuantizedAttr>(Attribute(weight.getFormat()));
  int64_t rank = pack::getFormat(format).rank;
  return pack::TensorType::get(
      context, left ? weight.getRows() : rank,
      left ? rank : weight.getColumns(),
      pack::DenseAttr::get(context, BFloat16Type::get(context)),
      pack::RowsAttr::get(context,
                          left ? layout.tileRows : layout.rightTileRows));
}

void SideOp::build(OpBuilder &, OperationState &state, Value weight,
                   bool left) {
  auto type = cast<pack::TensorType>(weight.getType());
  state.addOperands(weight);
  state.getOrAddProperties<Properties>().left =
      left ? UnitAttr::get(type.getContext()) : UnitAttr();
  state.addTypes(getSideType(type, left, *findSides(type)));
}

LogicalResult SideOp::verify() {
  pack::TensorType weight = getWeight().getType();
  auto layout = findSides(weight);
  if (!layout) // [C1]
    return emitOpError("expected a quantized format with a rank but got ")
           << weight.getFormat();
  pack::TensorType type = getSideType(weight, getLeft(), *layout);
  if (getType() != type) // [C2]
    return emitOpError("expected a result of type ")
           << type << " but got " << getType();
  return success();
}

int64_t SideOp::getOffset() {
  auto layout = findSides(getWeight().getType());
  return getLeft() ? layout->left : layout->right;
}

LogicalResult SparseLinearOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    y = getInit().getType().getShape();
  pack::TensorType w = getWeight().getType();
  auto format = dyn_cast<pack::QuantizedAttr>(Attribute(w.getFormat()));
  if (!format || !pack::getFormat(format).sparse) // [C1]
    return emitOpError(
               "expected a quantized format with a sparse part but got ")
           << w.getFormat();
  return verifyShapes(*this, x, y, w); // [C2]
}

bool llmc::kern::isProduct(Operation *op) {
  return isa<LinearOp, SparseLinearOp, QuantizedLinearOp>(op);
}

bool llmc::kern::isJoined(Operation *op) {
  if (auto linear = dyn_cast<LinearOp>(op))
    return linear.getJoined();
  if (auto sparse = dyn_cast<SparseLinearOp>(op))
    return sparse.getJoined();
  auto linear = dyn_cast<QuantizedLinearOp>(op);
  return linear && linear.getJoined();
}

bool llmc::kern::isAdded(Operation *op) {
  auto linear = dyn_cast<LinearOp>(op);
  return isa<SparseLinearOp>(op) || (linear && linear.getAdds());
}

std::optional<Activations> llmc::kern::findActivations(int64_t columns,
                                                       int64_t bytes) {
  for (Activations each : kActivations)
    if (bytes == getInputRowBytes(columns, each))
      return each;
  return std::nullopt;
}

LogicalResult QuantizeOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    q = getInit().getType().getShape();
  if (x.empty() || q.empty() || !agree(x.drop_back(), q.drop_back()) ||
      ShapedType::isDynamic(x.back()) ||
      !findActivations(x.back(), q.back())) // [C1]
    return emitOpError("expected 'input' of static columns and 'init' with 64, "
                       "96, 128 or 192 bytes for each 32 of them but got ")
           << nn::shapeText(x) << " and " << nn::shapeText(q);
  if (Value factors = getFactors()) {
    ArrayRef<int64_t> f = cast<ShapedType>(factors.getType()).getShape();
    if (f.size() != 1 || !agree(f[0], x.back())) // [C2]
      return emitOpError("expected 'factors' of shape ")
             << x.back() << " but got " << nn::shapeText(f);
  }
  return success();
}

static LogicalResult verifyFactors(Operation *op, Value factors,
                                   int64_t columns) {
  if (!factors)
    return success();
  ArrayRef<int64_t> f = cast<ShapedType>(factors.getType()).getShape();
  if (f.size() == 1 && agree(f[0], columns))
    return success();
  return op->emitOpError("expected 'factors' of shape ")
         << nn::shapeText(columns) << " but got " << nn::shapeText(f);
}

LogicalResult RotateOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    y = getInit().getType().getShape();
  if (x.empty() || !agree(x, y)) // [C1]
    return emitOpError("expected 'input' and 'init' of the same shape but got ")
           << nn::shapeText(x) << " and " << nn::shapeText(y);
  if (failed(verifyFactors(*this, getFactors(), x.back()))) // [C2]
    return failure();
  if (!isHadamardSize(getSize())) // [C3]
    return emitOpError("expected 'size' of 16, 32, 64, 128 or 256 but got ")
           << getSize();
  return success();
}

LogicalResult PermuteOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    y = getInit().getType().getShape();
  pack::TensorType w = getWeight().getType();
  auto format = dyn_cast<pack::QuantizedAttr>(Attribute(w.getFormat()));
  if (!format || !pack::getFormat(format).permuted) // [C1]
    return emitOpError("expected a quantized format with an order of columns "
                       "but got ")
           << w.getFormat();
  if (x.empty() || !agree(x, y) || !agree(x.back(), w.getColumns())) // [C2]
    return emitOpError("expected 'input' and 'init' [..., ")
           << w.getColumns() << "] of the same shape but got "
           << nn::shapeText(x) << " and " << nn::shapeText(y);
  return verifyFactors(*this, getFactors(), x.back()); // [C3]
}

LogicalResult QuantizedLinearOp::verify() {
  ArrayRef<int64_t> x = getInput().getType().getShape(),
                    y = getInit().getType().getShape();
  pack::TensorType w = getWeight().getType();
  if (x.empty() || y.empty() || !agree(x.drop_back(), y.drop_back()) ||
      !findActivations(w.getColumns(), x.back()) ||
      !agree(y.back(), w.getRows())) // [C1]
    return emitOpError(
               "expected 'input' with 64, 96, 128 or 192 bytes for each "
               "32 of ")
           << w.getColumns() << " columns and 'init' [..., " << w.getRows()
           << "] but got " << nn::shapeText(x) << " and " << nn::shapeText(y);
  if (Value bias = getBias()) {
    ArrayRef<int64_t> b = cast<ShapedType>(bias.getType()).getShape();
    if (b.size() != 1 || !agree(b[0], w.getRows())) // [C2]
      return emitOpError("expected 'bias' of shape ")
             << w.getRows() << " but got " << nn::shapeText(b);
  }
  if (!w.isQuantized()) // [C3]
    return emitOpError("expected a quantized format but got ") << w.getFormat();
  return success();
}

LogicalResult GatherOp::verify() {
  SmallVector<int64_t> expected(getIndices().getType().getShape());
  expected.push_back(getWeight().getType().getColumns());
  if (!agree(expected, getInit().getType().getShape())) // [C1]
    return emitOpError("expected 'init' of shape ")
           << nn::shapeText(expected) << " but got "
           << nn::shapeText(getInit().getType().getShape());
  return success();
}

LogicalResult AppendOp::verify() {
  ArrayRef<int64_t> cache = getInit().getType().getShape(),
                    x = getInput().getType().getShape();
  if (cache.size() != 3 || x.size() != 3 || !agree(cache[0], x[1]) ||
      !nn::canCache(getInit().getType(),
                    getInput().getType().getElementType()) ||
      !agree(nn::getCachedChannels(getInit().getType()), x[2])) // [C1]
    return emitOpError("expected 'init' [heads, capacity, size] and 'input' "
                       "[time, heads, size], of bytes with 4 more for a scale, "
                       "but got ")
           << nn::shapeText(cache) << " and " << nn::shapeText(x);
  return success();
}

/// Whether query, keys and values of attention fit together.
static bool fit(ShapedType query, ShapedType keys, ShapedType values) {
  Type element = query.getElementType();
  ArrayRef<int64_t> q = query.getShape(), k = keys.getShape(),
                    v = values.getShape();
  return q.size() == 3 && k.size() == 3 && v.size() == 3 &&
         keys.getElementType() == values.getElementType() &&
         nn::canCache(keys, element) && nn::canCache(values, element) &&
         agree(k.drop_back(), v.drop_back()) &&
         agree(q[2], nn::getCachedChannels(keys));
}

/// Whether a kernel can be made for heads of these sizes.
static bool areStatic(ShapedType query, ShapedType keys, ShapedType values) {
  ArrayRef<int64_t> q = query.getShape(), k = keys.getShape();
  int64_t sizes[] = {q[1], q[2], k[0], values.getShape()[2]};
  return llvm::all_of(sizes, [](int64_t size) { return size > 0; }) &&
         q[1] % k[0] == 0;
}

static LogicalResult verifyWindow(Operation *op,
                                  std::optional<uint64_t> window) {
  if (window && static_cast<int64_t>(*window) < 1)
    return op->emitOpError("expected a positive 'window'");
  return success();
}

LogicalResult AttentionOp::verify() {
  ShapedType query = getQuery().getType(), keys = getKey().getType(),
             values = getValue().getType();
  ArrayRef<int64_t> q = query.getShape(), o = getInit().getType().getShape();
  if (!fit(query, keys, values) || o.size() != 3 ||
      !agree(q.drop_back(), o.drop_back()) ||
      !agree(o[2], nn::getCachedChannels(values))) // [C1]
    return emitOpError("expected query [time, heads, size], key and value "
                       "[heads, capacity, size] and init as query but got ")
           << nn::shapeText(q) << ", " << nn::shapeText(keys.getShape()) << ", "
           << nn::shapeText(values.getShape()) << " and " << nn::shapeText(o);
  if (!areStatic(query, keys, values)) // [C2]
    return emitOpError("expected static sizes, and query heads that are a "
                       "multiple of key heads, but got ")
           << nn::shapeText(q) << " and " << nn::shapeText(keys.getShape());
  return verifyWindow(*this, getWindow()); // [C3]
}

LogicalResult AttentionChunksOp::verify() {
  ShapedType query = getQuery().getType(), keys = getKey().getType(),
             values = getValue().getType();
  ArrayRef<int64_t> q = query.getShape(), o = getInit().getType().getShape();
  if (!fit(query, keys, values) || q[0] != 1 ||
      !areStatic(query, keys, values)) // [C1]
    return emitOpError(
               "expected query [1, heads, size] and key and value [heads, "
               "capacity, size], of static sizes, but got ")
           << nn::shapeText(q) << ", " << nn::shapeText(keys.getShape())
           << " and " << nn::shapeText(values.getShape());
  int64_t row = getChunkRow(nn::getCachedChannels(values));
  if (o.size() != 3 || o[1] != q[1] || o[2] != row) // [C2]
    return emitOpError("expected 'init' [chunks, ")
           << q[1] << ", " << row << "] but got " << nn::shapeText(o);
  return verifyWindow(*this, getWindow()); // [C3]
}

LogicalResult AttentionJoinOp::verify() {
  ArrayRef<int64_t> c = getChunks().getType().getShape(),
                    o = getInit().getType().getShape();
  if (c.size() != 3 || o.size() != 3 || o[0] != 1 || o[1] < 1 || o[2] < 1 ||
      c[1] != o[1] || c[2] != getChunkRow(o[2])) // [C1]
    return emitOpError(
               "expected 'chunks' [chunks, heads, size to 16 and 16] and "
               "'init' [1, heads, size] but got ")
           << nn::shapeText(c) << " and " << nn::shapeText(o);
  return verifyWindow(*this, getWindow()); // [C2]
}

/// On memrefs: reads every operand, writes (and in the case of a cache, keeps
/// most of) the destination. On tensors: nothing.
static void
addEffects(DestinationStyleOpInterface op,
           SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

static LogicalResult reify(DestinationStyleOpInterface op, OpBuilder &builder,
                           ReifiedRankedShapedTypeDims &shapes) {
  if (!op.hasPureTensorSemantics())
    return failure();
  for (OpOperand &init : op.getDpsInitsMutable())
    shapes.push_back(tensor::getMixedSizes(builder, op.getLoc(), init.get()));
  return success();
}

void LinearOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
  if (getAdds() && isa<MemRefType>(getInit().getType()))
    effects.emplace_back(MemoryEffects::Read::get(), &getInitMutable());
}
void SparseLinearOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
  if (isa<MemRefType>(getInit().getType()))
    effects.emplace_back(MemoryEffects::Read::get(), &getInitMutable());
}
void QuantizeOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void RotateOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void PermuteOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void QuantizedLinearOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void GatherOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void AppendOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void AttentionOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}

void AttentionChunksOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}
void AttentionJoinOp::getEffects(
    SmallVectorImpl<MemoryEffects::EffectInstance> &effects) {
  addEffects(*this, effects);
}

LogicalResult LinearOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
SparseLinearOp::reifyResultShapes(OpBuilder &builder,
                                  ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
QuantizeOp::reifyResultShapes(OpBuilder &builder,
                              ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult RotateOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
PermuteOp::reifyResultShapes(OpBuilder &builder,
                             ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
QuantizedLinearOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult GatherOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult AppendOp::reifyResultShapes(OpBuilder &builder,
                                          ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
AttentionOp::reifyResultShapes(OpBuilder &builder,
                               ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
AttentionChunksOp::reifyResultShapes(OpBuilder &builder,
                                     ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
LogicalResult
AttentionJoinOp::reifyResultShapes(OpBuilder &builder,
                                   ReifiedRankedShapedTypeDims &shapes) {
  return reify(*this, builder, shapes);
}
