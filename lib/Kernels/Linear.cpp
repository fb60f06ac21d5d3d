//===- Linear.cpp - Products with packed matrices -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two levels. A tile kernel adds, for `tile` rows of x and one block of rows of
// w, a range of k to numbers in memory, all accumulators in registers. A driver
// covers a rectangle of outputs, block by block: the block stays in the caches
// while all tiles of x go past it. Rows of x are read where they lie, at a
// distance that is a constant of the kernel: no copy, and no arithmetic of
// addresses. Long rows are taken in steps of k, so that what an item works on
// stays in the second-level cache.
//
// Accumulators travel through memory unchanged between the steps, so every
// output is one chain of fused multiply-adds in the order of k, whatever the
// tiling: a row of a prompt gets the bits of a single token.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"

using namespace mlir;
using namespace llmc;

/// Products in k that the inner loop unrolls.
static constexpr int64_t kUnroll = 4;

static std::string suffix(Type storage, int64_t blockRows) {
  return (storage.isF32()    ? "f32_r"
          : storage.isBF16() ? "bf16_r"
                             : "f16_r") +
         std::to_string(blockRows);
}

/// Of kernels that are made for one distance of the rows of x.
static std::string distanceSuffix(int64_t distance) {
  return ShapedType::isDynamic(distance) ? "_x"
                                         : "_x" + std::to_string(distance);
}

/// (x, ldx, w, start, ldstart, y, ldy, count): y[i][:] = start[i][:] +
/// x[i][0, count) w[0, count)[:]. `start` may be `y`.
func::FuncOp KernelLibrary::getLinearTile(Type storage, int64_t blockRows,
                                          int64_t distance, int64_t tile) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  int64_t lanes = std::min(target.lanes(), blockRows);
  int64_t columns = blockRows / lanes, width = getStoredBytes(storage);
  func::FuncOp kernel = getOrCreate(
      "kern_linear_" + suffix(storage, blockRows) +
          (tile > 1 ? distanceSuffix(distance) : "") + "_m" +
          std::to_string(tile),
      {pointer, index, pointer, pointer, index, pointer, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], w = args[2], start = args[3],
              ldstart = args[4], y = args[5], ldy = args[6], count = args[7];
        Emitter::Values sums;
        for (int64_t i = 0; i < tile; ++i) {
          Value from = i ? e.at(start, e.mul(ldstart, i)) : start;
          for (int64_t c = 0; c < columns; ++c)
            sums.push_back(e.load(e.vectorType(lanes), e.at(from, c * lanes)));
        }
        auto step = [&](Value k, ValueRange previous) {
          Emitter::Values next(previous), loaded;
          Value weights = e.at(w, e.mul(k, blockRows), width);
          for (int64_t c = 0; c < columns; ++c)
            loaded.push_back(emitLoadStored(e, storage, lanes,
                                            e.at(weights, c * lanes, width)));
          Value inputs = e.at(x, k);
          for (int64_t i = 0; i < tile; ++i) {
            Value row = ShapedType::isDynamic(distance) && i
                            ? e.at(inputs, e.mul(ldx, i))
                            : e.at(inputs, i ? i * distance : 0);
            Value value = e.broadcast(e.load(e.getF32Type(), row), lanes);
            for (int64_t c = 0; c < columns; ++c) {
              Value &sum = next[i * columns + c];
              sum = e.fma(value, loaded[c], sum);
            }
          }
          return next;
        };
        sums = e.unrolled(e.index(0), count, kUnroll, sums, step);
        for (int64_t i = 0; i < tile; ++i) {
          Value to = i ? e.at(y, e.mul(ldy, i)) : y;
          for (int64_t c = 0; c < columns; ++c)
            e.store(sums[i * columns + c], e.at(to, c * lanes));
        }
      });
  for (unsigned shared : {3, 5})
    kernel.removeArgAttr(shared, LLVM::LLVMDialect::getNoAliasAttrName());
  return kernel;
}

int64_t KernelLibrary::getLinearStep() const {
  return target.cacheBytes * 3 / 2048;
}

func::FuncOp KernelLibrary::getLinear(Type storage, int64_t blockRows,
                                      int64_t distance, SumStart start) {
  bool bias = start == SumStart::Bias, adds = start == SumStart::Output;
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer, index, pointer};
  if (bias)
    types.push_back(pointer);
  types.append({pointer, index, index, index, index, index, index, index});
  SmallVector<int64_t> tiles = target.rowTiles(blockRows);
  int64_t lanes = std::min(target.lanes(), blockRows),
          width = getStoredBytes(storage);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t tile : tiles)
    kernels[tile] = getLinearTile(storage, blockRows, distance, tile);
  return getOrCreate(
      "kern_linear_" + suffix(storage, blockRows) + distanceSuffix(distance) +
          (bias   ? "_bias"
           : adds ? "_add"
                  : ""),
      types, [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], w = args[2],
              b = bias ? args[3] : Value();
        ValueRange rest = args.drop_front(bias ? 4 : 3);
        Value y = rest[0], ldy = rest[1], depth = rest[2], outputs = rest[3],
              rowBegin = rest[4], rowEnd = rest[5], blockBegin = rest[6],
              blockEnd = rest[7];
        Value margin = e.stack(tiles.front() * blockRows), zeros;
        if (start == SumStart::Zero) {
          zeros = e.stack(blockRows);
          for (int64_t i = 0; i < blockRows; i += lanes)
            e.store(e.splat(lanes, 0), e.at(zeros, i));
        }
        Value zero = e.index(0);

        // One tile of rows against one block, for one step of k.
        auto emitTile = [&](int64_t tile, Value row, Value column,
                            Value weights, Value k, Value count) {
          Value input = e.at(x, e.add(e.mul(row, ldx), k));
          Value output = e.at(y, e.add(e.mul(row, ldy), column));
          // The first step starts from the bias, later ones from the output.
          Rows from{output, ldy};
          if (!adds) {
            Value first = e.less(k, e.index(1));
            from = {e.create<arith::SelectOp>(
                        first, bias ? e.at(b, column) : zeros, output),
                    e.create<arith::SelectOp>(first, zero, ldy)};
          }
          // The last block may be wider than what is left of a row of y.
          emitWithMargin(e, lanes, tile, blockRows, e.sub(outputs, column),
                         from, {output, ldy}, margin, [&](Rows from, Rows to) {
                           e.create<func::CallOp>(
                               kernels[tile],
                               ValueRange{input, ldx, weights, from.base,
                                          from.distance, to.base, to.distance,
                                          count});
                         });
        };
        // Equal steps: a short last one would cost as much as a whole one
        // in everything but products.
        Value steps = e.ceilDiv(depth, e.index(getLinearStep()));
        e.loop(zero, steps, 1, [&](Value step) {
          Value k = e.floorDiv(e.mul(step, depth), steps);
          Value count =
              e.sub(e.floorDiv(e.mul(e.add(step, 1), depth), steps), k);
          e.loop(blockBegin, blockEnd, 1, [&](Value block) {
            Value weights =
                e.at(w, e.mul(e.add(e.mul(block, depth), k), blockRows), width);
            Value column = e.mul(block, blockRows);
            e.cover(tiles, rowBegin, rowEnd, [&](int64_t tile, Value row) {
              emitTile(tile, row, column, weights, k, count);
            });
          });
        });
      });
}

func::FuncOp KernelLibrary::getGather(Type storage, int64_t blockRows) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  int64_t width = getStoredBytes(storage);
  return getOrCreate(
      "kern_gather_" + suffix(storage, blockRows),
      {pointer, index, pointer, index, index},
      [&](Emitter &e, ValueRange args) {
        Value w = args[0], id = args[1], y = args[2], rows = args[3],
              columns = args[4];
        Value zero = e.index(0);
        Value row = e.clampId(id, rows);
        Value block = e.floorDiv(row, e.index(blockRows));
        Value lane = e.sub(row, e.mul(block, blockRows));
        Value from = e.at(
            w, e.add(e.mul(e.mul(block, columns), blockRows), lane), width);
        e.loop(zero, columns, 1, [&](Value c) {
          Value source = e.at(from, e.mul(c, blockRows), width);
          Value value;
          if (storage.isF32())
            value = e.load(e.getF32Type(), source);
          else
            value = e.create<vector::ExtractOp>(
                emitLoadStored(e, storage, 1, source), 0);
          e.store(value, e.at(y, c));
        });
      });
}
