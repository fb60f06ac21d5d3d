//===- ExpandKernels.cpp - Kernel ops become loops over micro-kernels -----===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Decides how the work is divided into items; the arithmetic is in the kernel
// library. An item is a rectangle of outputs that is large enough to make its
// fork worth while and small enough that two or more threads finish together.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Passes/KernelPasses.h"

#include <numeric>

namespace llmc {
#define GEN_PASS_DEF_EXPANDKERNELSPASS
#include "llmc/Passes/KernelPasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Blocks of a matrix that one item of a product of many rows covers. The number
/// of groups is even: two or four threads then finish together.
constexpr int64_t kBlocksPerItem = 4;
/// Most rows that one item covers, where the cache holds so many.
constexpr int64_t kRowsPerItem = 264;
/// Tiles of a compressed matrix, and rows of an input to be quantized; rows of a
/// product with it.
constexpr int64_t kTilesPerItem = 32, kQuantizedRowsPerItem = 8,
                  kQuantizedProductRows = 120;
/// Query rows of one item of attention: four tiles of twelve.
constexpr int64_t kQueriesPerItem = 48;
/// Heads whose chunks one item joins: a fork costs as much as some ten of them.
constexpr int64_t kJoinedHeadsPerItem = 16;
/// Bytes of weights that are fetched before a product of one row: what memory
/// gives while the row is made, which is some 300 ns.
constexpr int64_t kFetchedWeightBytes = 8192;

struct ExpandKernels : llmc::impl::ExpandKernelsPassBase<ExpandKernels> {
  using ExpandKernelsPassBase::ExpandKernelsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::Expected<Target> target = Target::resolve(cpu, features, triple);
    if (!target) {
      module.emitError(llvm::toString(target.takeError()));
      return signalPassFailure();
    }
    KernelLibrary library(module, *target);
    shapes.clear();
    lastProducts = nullptr;
    SmallVector<Operation *> kernels, sides;
    module.walk([&](Operation *op) {
      if (isa<kern::SideOp>(op))
        sides.push_back(op);
      else if (isa<kern::KernDialect>(op->getDialect()))
        kernels.push_back(op);
    });
    bool failed = false;
    for (Operation *op : kernels)
      failed |= mlir::failed(check(op));
    if (failed)
      return signalPassFailure();
    for (ArrayRef<Operation *> rest = kernels; !rest.empty();) {
      unsigned count = countJoined(rest);
      expand(library, rest.take_front(count));
      for (Operation *op : rest.take_front(count))
        op->erase();
      rest = rest.drop_front(count);
    }
    for (Operation *side : sides)
      side->erase();
  }

  /// How many of `kernels` make one loop: the first and the products that are
  /// joined to it. Between them there is nothing that touches memory.
  static unsigned countJoined(ArrayRef<Operation *> kernels) {
    if (!kern::isProduct(kernels.front()))
      return 1;
    unsigned count = 1;
    for (Operation *op = kernels.front()->getNextNode();
         op && count < kernels.size(); op = op->getNextNode()) {
      if (op == kernels[count] && kern::isJoined(op))
        ++count;
      else if (!isMemoryEffectFree(op))
        break;
    }
    return count;
  }

  /// Before the last of `ops`, where the operands of all are known.
  void expand(KernelLibrary &library, ArrayRef<Operation *> ops) {
    Emitter e(ops.back()->getLoc(), ops.back());
    SmallVector<Work> products;
    for (Operation *op : ops) {
      if (auto linear = dyn_cast<kern::LinearOp>(op))
        products.push_back(getWork(e, library, linear));
      else if (auto linear = dyn_cast<kern::QuantizedLinearOp>(op))
        products.push_back(getWork(e, library, linear));
      else if (auto sparse = dyn_cast<kern::SparseLinearOp>(op))
        products.push_back(getWork(e, library, sparse));
      else if (auto quantize = dyn_cast<kern::QuantizeOp>(op))
        expand(e, library, quantize);
      else if (auto rotate = dyn_cast<kern::RotateOp>(op))
        expand(e, library, rotate);
      else if (auto permute = dyn_cast<kern::PermuteOp>(op))
        expand(e, library, permute);
      else if (auto gather = dyn_cast<kern::GatherOp>(op))
        expand(e, library, gather);
      else if (auto append = dyn_cast<kern::AppendOp>(op))
        expand(e, library, append);
      else if (auto attention = dyn_cast<kern::AttentionOp>(op))
        expand(e, library, attention);
      else if (auto chunks = dyn_cast<kern::AttentionChunksOp>(op))
        expand(e, library, chunks);
      else
        expand(e, library, cast<kern::AttentionJoinOp>(op));
    }
    if (products.empty())
      return;
    if (!isa<kern::SparseLinearOp>(ops.front()))
      fetchWeights(library, ops.front());
    parallel(e, products);
    lastProducts = ops.back()->getPrevNode();
  }

  /// Operands must be memrefs whose rows are contiguous, or matrices that there
  /// are kernels for.
  LogicalResult check(Operation *op) {
    for (Value operand : op->getOperands()) {
      if (isa<TensorType>(operand.getType()))
        return op->emitOpError("expected memrefs but got ")
               << operand.getType();
      auto type = dyn_cast<MemRefType>(operand.getType());
      if (!type || type.getLayout().isIdentity())
        continue;
      // Indices are loaded one by one, wherever they lie.
      if (auto gather = dyn_cast<kern::GatherOp>(op);
          gather && operand == gather.getIndices())
        continue;
      SmallVector<int64_t> strides;
      int64_t offset;
      if (type.getRank() > 2 ||
          !isa<kern::LinearOp, kern::SparseLinearOp, kern::QuantizeOp,
               kern::QuantizedLinearOp, kern::RotateOp, kern::PermuteOp>(op) ||
          mlir::failed(type.getStridesAndOffset(strides, offset)) ||
          strides.back() != 1)
        return op->emitOpError("expected contiguous rows but got ") << type;
    }
    for (Value operand : op->getOperands())
      if (auto weight = dyn_cast<pack::TensorType>(operand.getType())) {
        if (!isa<pack::DenseAttr, pack::QuantizedAttr>(weight.getFormat()))
          return op->emitOpError("expected a format with kernels but got ")
                 << weight.getFormat();
        if (weight.isQuantized() && mlir::failed(addShape(op, weight)))
          return failure();
      }
    return success();
  }

  /// Keeps the kernel's view of a compressed matrix.
  LogicalResult addShape(Operation *op, pack::TensorType type) {
    if (shapes.contains(type))
      return success();
    auto format = cast<pack::QuantizedAttr>(Attribute(type.getFormat()));
    auto shape = QuantizedShape::create(
        pack::getFormat(format), type.getRows(), type.getColumns(),
        type.getLayout().getCount(), op->getContext());
    if (!shape)
      return op->emitOpError(llvm::toString(shape.takeError()));
    shapes.try_emplace(type, std::move(*shape));
    return success();
  }

  /// The address of the first element.
  static Value pointer(Emitter &e, Value buffer) {
    if (auto side = buffer.getDefiningOp<kern::SideOp>())
      return e.at(pointer(e, side.getWeight()), e.index(side.getOffset()), 1);
    if (isa<pack::TensorType>(buffer.getType())) {
      auto raw = MemRefType::get({int64_t(1) << 40}, e.getI8Type());
      buffer = e.create<UnrealizedConversionCastOp>(TypeRange{raw},
                                                    ValueRange{buffer})
                   .getResult(0);
    }
    Value bits = e.create<memref::ExtractAlignedPointerAsIndexOp>(buffer);
    auto type = cast<MemRefType>(buffer.getType());
    if (!type.getLayout().isIdentity()) {
      auto view = e.create<memref::ExtractStridedMetadataOp>(buffer);
      bits =
          e.add(bits, e.mul(view.getOffset(),
                            type.getElementType().getIntOrFloatBitWidth() / 8));
    }
    Value address = e.create<arith::IndexCastOp>(e.getI64Type(), bits);
    return e.create<LLVM::IntToPtrOp>(e.pointerType(), ValueRange{address});
  }

  /// Elements between two rows of a matrix, or of a contiguous tensor.
  static Value rowDistance(Emitter &e, Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    if (type.getLayout().isIdentity() || type.getRank() < 2)
      return e.create<memref::DimOp>(buffer, type.getRank() - 1);
    return e.create<memref::ExtractStridedMetadataOp>(buffer)
        .getStrides()
        .front();
  }

  struct Piece {
    Value begin, end;
  };

  /// The chunks of a cache that hold what a row at `position` sees.
  static Piece getSeenChunks(Emitter &e, Value position, Value capacity,
                             std::optional<int64_t> window) {
    Value seen = e.min(e.add(position, e.index(1)), capacity);
    Value begin = e.index(0);
    if (window)
      begin =
          e.floorDiv(e.max(e.sub(position, e.index(*window - 1)), e.index(0)),
                     e.index(kern::kChunk));
    return {begin, e.ceilDiv(seen, e.index(kern::kChunk))};
  }

  /// Product of the extents from 0 to the rank less `drop`.
  static Value extents(Emitter &e, Value buffer, int64_t drop) {
    Value product = e.index(1);
    int64_t rank = cast<MemRefType>(buffer.getType()).getRank();
    for (int64_t i = 0; i < rank - drop; ++i)
      product = e.mul(product, e.create<memref::DimOp>(buffer, i));
    return product;
  }

  static void parallel(Emitter &e, Value items,
                       function_ref<void(Value)> body) {
    auto loop = e.create<scf::ParallelOp>(
        ValueRange{e.index(0)}, ValueRange{items}, ValueRange{e.index(1)});
    loop->setAttr("llmc.parallel", e.getUnitAttr());
    OpBuilder::InsertionGuard guard(e);
    e.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVars()[0]);
  }

  /// Independent items, and what is done for one.
  struct Work {
    Value items;
    std::function<void(Value item)> body;
  };

  /// One loop over the items of all.
  static void parallel(Emitter &e, ArrayRef<Work> works) {
    if (works.size() == 1)
      return parallel(e, works.front().items, works.front().body);
    SmallVector<Value> ends{e.index(0)};
    for (const Work &work : works)
      ends.push_back(e.add(ends.back(), work.items));
    parallel(e, ends.back(), [&](Value item) {
      for (auto [work, begin, end] :
           llvm::zip(works, ends, ArrayRef<Value>(ends).drop_front())) {
        Value own = e.create<arith::AndIOp>(
            e.create<arith::CmpIOp>(arith::CmpIPredicate::sge, item, begin),
            e.less(item, end));
        e.ifThen(own, [&] { work.body(e.sub(item, begin)); });
      }
    });
  }

  /// Piece `number` of [0, total) in pieces of `size`.
  static Piece piece(Emitter &e, Value number, Value size, Value total) {
    Value begin = e.min(e.mul(number, size), total);
    return {begin, e.min(e.add(begin, size), total)};
  }

  /// Divides a product of `rows` rows with a matrix of `blocks` blocks into
  /// items: one of `groups` groups of blocks, and a chunk of at most `most`
  /// rows, in whole tiles of `tile`.
  static Work divide(Emitter &e, Value rows, int64_t tile, int64_t most,
                     int64_t blocks, int64_t groups,
                     const std::function<void(Piece row, Piece block)> &body) {
    // Few rows: every block is read once from memory, so it is its own item.
    Value few = e.less(rows, e.index(tile + 1));
    Value perGroup = e.create<arith::SelectOp>(
        few, e.index(1), e.index(llvm::divideCeil(blocks, groups)));
    Value count = e.ceilDiv(e.index(blocks), perGroup);
    // Chunks of equal numbers of whole tiles.
    Value chunks = e.max(e.ceilDiv(rows, e.index(most)), e.index(1));
    Value perChunk =
        e.mul(e.ceilDiv(e.ceilDiv(rows, chunks), e.index(tile)), tile);
    return {e.mul(count, chunks), [=, &e](Value item) {
              Value group = e.floorDiv(item, chunks);
              Value chunk = e.sub(item, e.mul(group, chunks));
              body(piece(e, chunk, perChunk, rows),
                   piece(e, group, perGroup, e.index(blocks)));
            }};
  }

  /// The same as a constant, or dynamic.
  static int64_t staticDistance(Value buffer) {
    auto type = cast<MemRefType>(buffer.getType());
    SmallVector<int64_t> strides;
    int64_t offset;
    if (type.getLayout().isIdentity() || type.getRank() < 2 ||
        mlir::failed(type.getStridesAndOffset(strides, offset)))
      return type.getShape().back();
    return strides.front();
  }

  static void callProduct(Emitter &e, func::FuncOp kernel,
                          ValueRange operands) {
    auto call = e.create<func::CallOp>(kernel, operands);
    call->setAttr("llmc.product", e.getUnitAttr());
  }

  Work getWork(Emitter &e, KernelLibrary &library, kern::LinearOp op) {
    pack::TensorType type = op.getWeight().getType();
    int64_t blockRows = type.getLayout().getCount();
    Type storage = cast<pack::DenseAttr>(type.getFormat()).getStorage();
    func::FuncOp kernel =
        library.getLinear(storage, blockRows, staticDistance(op.getInput()),
                          op.getAdds()   ? SumStart::Output
                          : op.getBias() ? SumStart::Bias
                                         : SumStart::Zero);
    int64_t blocks = llvm::divideCeil(type.getRows(), blockRows);
    int64_t groups = llvm::alignTo(llvm::divideCeil(blocks, kBlocksPerItem), 2);
    int64_t tile = library.getTarget().rowTiles(blockRows).front();
    Value rows = extents(e, op.getInput(), 1);
    // The rows of x and a block of w share the second-level cache.
    int64_t step = std::min(type.getColumns(), library.getLinearStep());
    int64_t most = std::clamp(library.getTarget().cacheBytes * 5 / 8 / 4 / step,
                              4 * tile, kRowsPerItem);
    auto product = [=, &e](Piece row, Piece block) mutable {
      SmallVector<Value> operands{pointer(e, op.getInput()),
                                  rowDistance(e, op.getInput()),
                                  pointer(e, op.getWeight())};
      if (op.getBias())
        operands.push_back(pointer(e, op.getBias()));
      operands.append({pointer(e, op.getInit()), rowDistance(e, op.getInit()),
                       e.index(type.getColumns()), e.index(type.getRows()),
                       row.begin, row.end, block.begin, block.end});
      callProduct(e, kernel, operands);
    };
    return divide(e, rows, tile, most, blocks, groups, product);
  }

  /// A kernel that turns rows of `input` into those of `init`, `distance`
  /// elements of `width` bytes apart; `order` is an address or null.
  static void expandRows(Emitter &e, func::FuncOp kernel, Value input,
                         Value order, Value factors, Value init, Value distance,
                         int64_t width) {
    Value rows = extents(e, input, 1), columns = e.index(getColumns(input));
    Value items = e.ceilDiv(rows, e.index(kQuantizedRowsPerItem));
    Value between = rowDistance(e, input);
    Value from = pointer(e, input), to = pointer(e, init);
    if (factors)
      factors = pointer(e, factors);
    parallel(e, items, [&](Value item) {
      auto [begin, end] = piece(e, item, e.index(kQuantizedRowsPerItem), rows);
      e.loop(begin, end, 1, [&](Value row) {
        SmallVector<Value> operands{e.at(from, e.mul(row, between))};
        if (order)
          operands.push_back(order);
        if (factors)
          operands.push_back(factors);
        operands.push_back(e.at(to, e.mul(row, distance), width));
        operands.push_back(columns);
        e.create<func::CallOp>(kernel, operands);
      });
    });
  }

  static int64_t getColumns(Value buffer) {
    return cast<MemRefType>(buffer.getType()).getShape().back();
  }

  /// Whether there are products before `op` in its block, and `value` is known
  /// before them.
  bool isKnownBeforeProducts(Operation *op, Value value) const {
    if (!lastProducts || lastProducts->getBlock() != op->getBlock())
      return false;
    Operation *source = value.getDefiningOp();
    return !source || source->getBlock() != op->getBlock() ||
           source->isBeforeInBlock(lastProducts);
  }

  static void fetch(Emitter &e, KernelLibrary &library, Value buffer,
                    int64_t bytes) {
    e.create<func::CallOp>(library.getFetch(),
                           ValueRange{pointer(e, buffer), e.index(bytes)});
  }

  /// Factors for the one row of a decode step were last read a token ago, so they
  /// are fetched while the products that stand before are computed.
  void fetchFactors(KernelLibrary &library, kern::QuantizeOp op) {
    if (!op.getFactors() || op.getInput().getType().getShape().front() != 1 ||
        !isKnownBeforeProducts(op, op.getFactors()))
      return;
    Emitter e(op.getLoc(), lastProducts);
    fetch(e, library, op.getFactors(), getColumns(op.getFactors()) * 4);
  }

  /// The memory has nothing to do between two products of one row, so the first
  /// weights of the second one are fetched meanwhile.
  void fetchWeights(KernelLibrary &library, Operation *product) {
    auto weight = cast<TypedValue<pack::TensorType>>(product->getOperand(1));
    auto input = cast<MemRefType>(product->getOperand(0).getType());
    if (input.getShape().front() != 1 ||
        !isKnownBeforeProducts(product, weight))
      return;
    Emitter e(product->getLoc(), product);
    e.setInsertionPointAfter(lastProducts);
    fetch(e, library, weight,
          std::min(kFetchedWeightBytes, weight.getType().getBytes()));
  }

  void expand(Emitter &e, KernelLibrary &library, kern::QuantizeOp op) {
    fetchFactors(library, op);
    int64_t bytes = getColumns(op.getInit());
    // Columns and bytes are verified.
    func::FuncOp kernel = library.getQuantizeRow(
        *kern::findActivations(getColumns(op.getInput()), bytes),
        bool(op.getFactors()));
    expandRows(e, kernel, op.getInput(), /*order=*/Value(), op.getFactors(),
               op.getInit(), e.index(bytes), /*width=*/1);
  }

  void expand(Emitter &e, KernelLibrary &library, kern::RotateOp op) {
    func::FuncOp kernel =
        library.getRotateRow(op.getSize(), bool(op.getFactors()));
    expandRows(e, kernel, op.getInput(), /*order=*/Value(), op.getFactors(),
               op.getInit(), rowDistance(e, op.getInit()), /*width=*/4);
  }

  void expand(Emitter &e, KernelLibrary &library, kern::PermuteOp op) {
    const PackedLayout &layout = shapes.at(op.getWeight().getType()).layout;
    func::FuncOp kernel =
        library.getPermuteRow(layout.columnBytes, bool(op.getFactors()));
    Value order = e.at(pointer(e, op.getWeight()), e.index(layout.order), 1);
    expandRows(e, kernel, op.getInput(), order, op.getFactors(), op.getInit(),
               rowDistance(e, op.getInit()), /*width=*/4);
  }

  Work getWork(Emitter &e, KernelLibrary &library, kern::QuantizedLinearOp op) {
    pack::TensorType type = op.getWeight().getType();
    QuantizedShape shape = shapes.at(type);
    int64_t rowBytes = op.getInput().getType().getShape().back();
    // The two are verified.
    shape.activations = *kern::findActivations(type.getColumns(), rowBytes);
    func::FuncOp kernel = library.getQuantizedLinear(shape, bool(op.getBias()));
    int64_t blocks = shape.layout.tiles;
    int64_t groups = llvm::divideCeil(blocks, kTilesPerItem);
    int64_t tile = getQuantizedRowTiles(library.getTarget(), shape).front();
    Value rows = extents(e, op.getInput(), 1);
    Value from = pointer(e, op.getInput()), weight = pointer(e, op.getWeight()),
          to = pointer(e, op.getInit());
    Value bias = op.getBias() ? pointer(e, op.getBias()) : Value();
    Value distance = rowDistance(e, op.getInit());
    int64_t pieces = shape.wholePieces(), tileBytes = shape.layout.tileBytes,
            matrixRows = type.getRows();
    auto product = [=, &e](Piece row, Piece block) mutable {
      SmallVector<Value> operands{from, e.index(rowBytes), weight};
      if (bias)
        operands.push_back(bias);
      operands.append({to, distance, e.index(pieces), e.index(tileBytes),
                       e.index(matrixRows), row.begin, row.end, block.begin,
                       block.end});
      callProduct(e, kernel, operands);
    };
    return divide(e, rows, tile, kQuantizedProductRows, blocks, groups,
                  product);
  }

  Work getWork(Emitter &e, KernelLibrary &library, kern::SparseLinearOp op) {
    const PackedLayout &layout = shapes.at(op.getWeight().getType()).layout;
    func::FuncOp kernel =
        library.getSparse(shapes.at(op.getWeight().getType()));
    int64_t blocks = layout.tiles,
            groups = llvm::divideCeil(blocks, kTilesPerItem);
    Value rows = extents(e, op.getInput(), 1);
    Value from = pointer(e, op.getInput()), to = pointer(e, op.getInit());
    Value sparse = e.at(pointer(e, op.getWeight()), e.index(layout.sparse), 1);
    Value between = rowDistance(e, op.getInput()),
          distance = rowDistance(e, op.getInit());
    int64_t count = layout.sparseCount, matrixRows = layout.rows,
            columns = layout.columns;
    auto product = [=, &e](Piece row, Piece block) mutable {
      callProduct(e, kernel,
                  {from, between, sparse, to, distance, e.index(count),
                   e.index(matrixRows), e.index(columns), row.begin, row.end,
                   block.begin, block.end});
    };
    return divide(e, rows, KernelLibrary::kSparseRows, kQuantizedProductRows,
                  blocks, groups, product);
  }

  void expand(Emitter &e, KernelLibrary &library, kern::GatherOp op) {
    pack::TensorType type = op.getWeight().getType();
    auto dense = dyn_cast<pack::DenseAttr>(Attribute(type.getFormat()));
    func::FuncOp kernel = dense ? library.getGather(dense.getStorage(),
                                                    type.getLayout().getCount())
                                : library.getQuantizedGather(shapes.at(type));
    Value rows = extents(e, op.getIndices(), 0);
    int64_t rank = op.getIndices().getType().getRank();
    parallel(e, rows, [&](Value row) {
      // The place of the row among the indices, last axis first.
      SmallVector<Value> place(rank);
      Value rest = row;
      for (int64_t axis = rank - 1; axis >= 0; --axis) {
        Value extent = e.create<memref::DimOp>(op.getIndices(), axis);
        Value next = axis ? e.floorDiv(rest, extent) : e.index(0);
        place[axis] = e.sub(rest, e.mul(next, extent));
        rest = next;
      }
      Value id = e.create<arith::IndexCastOp>(
          e.getIndexType(),
          e.create<memref::LoadOp>(op.getIndices(), place).getResult());
      SmallVector<Value> operands{
          pointer(e, op.getWeight()), id,
          e.at(pointer(e, op.getInit()), e.mul(row, type.getColumns())),
          e.index(type.getRows())};
      if (dense)
        operands.push_back(e.index(type.getColumns()));
      e.create<func::CallOp>(kernel, operands);
    });
  }

  /// Nobody has touched the place of the one row of a decode step since long
  /// ago, so it is fetched as soon as it is known: products stand between.
  static void fetchAppended(KernelLibrary &library, kern::AppendOp op) {
    Block *block = op->getBlock();
    Operation *last = nullptr;
    for (Value value : {Value(op.getInit()), Value(op.getPosition())})
      if (Operation *source = value.getDefiningOp();
          source && source->getBlock() == block &&
          (!last || last->isBeforeInBlock(source)))
        last = source;
    Emitter e(op.getLoc(), op);
    if (last)
      e.setInsertionPointAfter(last);
    else
      e.setInsertionPointToStart(block);
    ShapedType type = op.getInit().getType();
    func::FuncOp kernel = library.getAppendFetch(
        op.getKeys(), type.getShape()[0], nn::getCachedChannels(type),
        type.getElementType());
    e.create<func::CallOp>(kernel,
                           ValueRange{pointer(e, op.getInit()),
                                      e.create<memref::DimOp>(op.getInit(), 1),
                                      op.getPosition()});
  }

  void expand(Emitter &e, KernelLibrary &library, kern::AppendOp op) {
    if (op.getInput().getType().getShape().front() == 1)
      fetchAppended(library, op);
    ArrayRef<int64_t> shape = op.getInit().getType().getShape();
    func::FuncOp kernel = library.getAppend(
        op.getKeys(), shape[0], nn::getCachedChannels(op.getInit().getType()),
        op.getInit().getType().getElementType());
    Value rows = e.create<memref::DimOp>(op.getInput(), 0);
    Value capacity = e.create<memref::DimOp>(op.getInit(), 1);
    parallel(e, rows, [&](Value row) {
      e.create<func::CallOp>(kernel,
                             ValueRange{pointer(e, op.getInput()),
                                        pointer(e, op.getInit()), capacity,
                                        op.getPosition(), row});
    });
  }

  /// Of `kern.attention` or `kern.attention_chunks`.
  template <typename Attention> static AttentionShape getShape(Attention op) {
    ArrayRef<int64_t> q = op.getQuery().getType().getShape();
    ShapedType values = op.getValue().getType();
    AttentionShape shape{q[1],
                         values.getShape().front(),
                         q[2],
                         nn::getCachedChannels(values),
                         op.getScale().convertToDouble(),
                         {},
                         {},
                         values.getElementType()};
    if (op.getWindow())
      shape.window = *op.getWindow();
    if (op.getSoftcap())
      shape.softcap = op.getSoftcap()->convertToDouble();
    return shape;
  }

  void expand(Emitter &e, KernelLibrary &library, kern::AttentionOp op) {
    AttentionShape shape = getShape(op);
    int64_t group = shape.heads / shape.keyHeads;
    func::FuncOp kernel =
        library.getAttention(shape, std::gcd(group, kQueriesPerItem));
    Value rows = e.mul(e.create<memref::DimOp>(op.getQuery(), 0), group);
    Value capacity = e.create<memref::DimOp>(op.getKey(), 1);
    Value chunks = e.ceilDiv(rows, e.index(kQueriesPerItem));
    Value items = e.mul(chunks, shape.keyHeads);
    parallel(e, items, [&](Value item) {
      Value place = e.floorDiv(item, e.index(shape.keyHeads));
      Value head = e.sub(item, e.mul(place, shape.keyHeads));
      // Late rows see more: first, last, second, last but one, ..., so that
      // equal ranges of items take equal time.
      Value half = e.floorDiv(place, e.index(2));
      Value even = e.create<arith::CmpIOp>(arith::CmpIPredicate::eq,
                                           e.mul(half, 2), place);
      Value chunk = e.create<arith::SelectOp>(
          even, half, e.sub(e.sub(chunks, e.index(1)), half));
      auto [begin, end] = piece(e, chunk, e.index(kQueriesPerItem), rows);
      e.create<func::CallOp>(
          kernel,
          ValueRange{pointer(e, op.getQuery()), pointer(e, op.getKey()),
                     pointer(e, op.getValue()), pointer(e, op.getInit()),
                     capacity, op.getPosition(), head, begin, end});
    });
  }

  void expand(Emitter &e, KernelLibrary &library, kern::AttentionChunksOp op) {
    AttentionShape shape = getShape(op);
    func::FuncOp kernel = library.getAttentionChunk(shape);
    Value capacity = e.create<memref::DimOp>(op.getKey(), 1);
    auto [begin, end] =
        getSeenChunks(e, op.getPosition(), capacity, shape.window);
    Value chunks = e.sub(end, begin), items = e.mul(chunks, shape.keyHeads);
    // The last chunk of a head is the only one that may be short: one head after
    // the other, so that equal ranges of items take equal time.
    parallel(e, items, [&, begin = begin](Value item) {
      Value head = e.floorDiv(item, chunks);
      Value chunk = e.sub(item, e.mul(head, chunks));
      e.create<func::CallOp>(
          kernel,
          ValueRange{pointer(e, op.getQuery()), pointer(e, op.getKey()),
                     pointer(e, op.getValue()), pointer(e, op.getInit()),
                     capacity, op.getPosition(), head, e.add(begin, chunk)});
    });
  }

  void expand(Emitter &e, KernelLibrary &library, kern::AttentionJoinOp op) {
    ArrayRef<int64_t> shape = op.getInit().getType().getShape();
    func::FuncOp kernel = library.getAttentionJoin(shape[1], shape[2]);
    std::optional<int64_t> window;
    if (op.getWindow())
      window = *op.getWindow();
    Value capacity =
        e.mul(e.create<memref::DimOp>(op.getChunks(), 0), kern::kChunk);
    auto [begin, end] = getSeenChunks(e, op.getPosition(), capacity, window);
    Value items = e.index(llvm::divideCeil(shape[1], kJoinedHeadsPerItem));
    parallel(e, items, [&, begin = begin, end = end](Value item) {
      auto [head, last] =
          piece(e, item, e.index(kJoinedHeadsPerItem), e.index(shape[1]));
      e.create<func::CallOp>(kernel, ValueRange{pointer(e, op.getChunks()),
                                                pointer(e, op.getInit()), begin,
                                                end, head, last});
    });
  }

  /// Of the matrices of this module.
  llvm::DenseMap<Type, QuantizedShape> shapes;
  /// The loop of the products that were expanded last.
  Operation *lastProducts = nullptr;
};

} // namespace
