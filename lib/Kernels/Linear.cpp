//===- Linear.cpp - Products with packed matrices -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Two levels. A tile kernel adds, for `tile` rows of x and one block of rows of
// w, a range of k to outputs in memory, all accumulators in registers. A driver
// covers a rectangle of outputs: it sets them to the bias, then goes through k
// in steps, so that the blocks it works on stay in the second-level cache, and
// copies each tile of x to the stack, where its rows lie at constant distances
// (no address arithmetic, no rows that compete for one cache set).
//
// Accumulators travel through memory unchanged between the steps, so every
// output is one chain of fused multiply-adds in the order of k, whatever the
// tiling: a row of a prompt gets the bits of a single token.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"

using namespace mlir;
using namespace llmc;

/// Most columns of x that one step covers; a tile of 12 rows takes 18 KiB of the
/// first-level cache.
static constexpr int64_t kStep = 384;
/// Distance of the rows of a tile on the stack: one cache line more than a
/// multiple of the distance of cache sets.
static constexpr int64_t kPanel = kStep + 16;
/// Products in k that the inner loop unrolls.
static constexpr int64_t kUnroll = 4;

static int64_t storedBytes(Type storage) {
  return storage.getIntOrFloatBitWidth() / 8;
}

static std::string suffix(Type storage, int64_t blockRows) {
  return (storage.isF32() ? "f32_r" : "bf16_r") + std::to_string(blockRows);
}

/// (x, w, y, ldy, count): y[i][:] += x[i][0, count) w[0, count)[:]; the rows
/// of x are kPanel apart.
func::FuncOp KernelLibrary::getLinearTile(Type storage, int64_t blockRows,
                                          int64_t tile) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  int64_t lanes = std::min(target.lanes(), blockRows);
  int64_t columns = blockRows / lanes, width = storedBytes(storage);
  return getOrCreate(
      "kern_linear_" + suffix(storage, blockRows) + "_m" + std::to_string(tile),
      {pointer, pointer, pointer, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], w = args[1], y = args[2], ldy = args[3],
              count = args[4];
        Emitter::Values rows, sums;
        for (int64_t i = 0; i < tile; ++i) {
          rows.push_back(i ? e.at(y, e.mul(ldy, i)) : y);
          for (int64_t c = 0; c < columns; ++c)
            sums.push_back(
                e.load(e.vectorType(lanes), e.at(rows[i], c * lanes)));
        }
        auto step = [&](Value k, ValueRange previous) {
          Emitter::Values next(previous), loaded;
          Value weights = e.at(w, e.mul(k, blockRows), width);
          for (int64_t c = 0; c < columns; ++c)
            loaded.push_back(emitLoadStored(e, storage, lanes,
                                            e.at(weights, c * lanes, width)));
          Value inputs = e.at(x, k);
          for (int64_t i = 0; i < tile; ++i) {
            Value value = e.broadcast(
                e.load(e.getF32Type(), e.at(inputs, i * kPanel)), lanes);
            for (int64_t c = 0; c < columns; ++c) {
              Value &sum = next[i * columns + c];
              sum = e.fma(value, loaded[c], sum);
            }
          }
          return next;
        };
        sums = e.unrolled(e.index(0), count, kUnroll, sums, step);
        for (int64_t i = 0; i < tile; ++i)
          for (int64_t c = 0; c < columns; ++c)
            e.store(sums[i * columns + c], e.at(rows[i], c * lanes));
      });
}

/// Copies `count` elements; zeros where `from` is null.
static void emitCopy(Emitter &e, int64_t lanes, Value from, Value to,
                     Value count) {
  Value main = e.sub(count, e.create<arith::RemUIOp>(count, e.index(lanes)));
  e.loop(e.index(0), main, lanes, [&](Value i) {
    Value value =
        from ? e.load(e.vectorType(lanes), e.at(from, i)) : e.splat(lanes, 0);
    e.store(value, e.at(to, i));
  });
  e.loop(main, count, 1, [&](Value i) {
    Value value = from ? e.load(e.getF32Type(), e.at(from, i)) : e.f32(0);
    e.store(value, e.at(to, i));
  });
}

func::FuncOp KernelLibrary::getLinear(Type storage, int64_t blockRows,
                                      bool bias) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer, index, pointer};
  if (bias)
    types.push_back(pointer);
  types.append({pointer, index, index, index, index, index, index, index});
  SmallVector<int64_t> tiles = target.rowTiles(blockRows);
  int64_t lanes = std::min(target.lanes(), blockRows),
          width = storedBytes(storage);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t tile : tiles)
    kernels[tile] = getLinearTile(storage, blockRows, tile);
  return getOrCreate(
      "kern_linear_" + suffix(storage, blockRows) + (bias ? "_bias" : ""),
      types, [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], w = args[2],
              b = bias ? args[3] : Value();
        ValueRange rest = args.drop_front(bias ? 4 : 3);
        Value y = rest[0], ldy = rest[1], depth = rest[2], outputs = rest[3],
              rowBegin = rest[4], rowEnd = rest[5], blockBegin = rest[6],
              blockEnd = rest[7];
        Value panel = e.stack(tiles.front() * kPanel);
        Value margin = e.stack(tiles.front() * blockRows);
        Value first = e.mul(blockBegin, blockRows),
              last = e.min(e.mul(blockEnd, blockRows), outputs),
              width32 = e.sub(last, first);
        e.loop(rowBegin, rowEnd, 1, [&](Value row) {
          emitCopy(e, lanes, b ? e.at(b, first) : Value(),
                   e.at(y, e.add(e.mul(row, ldy), first)), width32);
        });

        // One tile of rows against all blocks, for one step of k.
        auto emitTile = [&](int64_t tile, Value row, Value k, Value count) {
          Value input = e.at(x, e.add(e.mul(row, ldx), k));
          if (tile > 1) {
            e.loop(e.index(0), e.index(tile), 1, [&](Value i) {
              emitCopy(e, lanes, e.at(input, e.mul(ldx, i)),
                       e.at(panel, e.mul(i, kPanel)), count);
            });
            input = panel;
          }
          e.loop(blockBegin, blockEnd, 1, [&](Value block) {
            Value weights =
                e.at(w, e.mul(e.add(e.mul(block, depth), k), blockRows), width);
            Value column = e.mul(block, blockRows);
            Value output = e.at(y, e.add(e.mul(row, ldy), column));
            Value left = e.min(e.sub(outputs, column), e.index(blockRows));
            auto call = [&](Value to, Value distance) {
              e.create<func::CallOp>(
                  kernels[tile],
                  ValueRange{input, weights, to, distance, count});
            };
            // The last block may be wider than what is left of a row of y.
            e.ifElse(
                e.less(left, e.index(blockRows)),
                [&] {
                  Value all = e.index(blockRows), many = e.index(tile);
                  auto line = [&](Value i) {
                    return e.at(margin, e.mul(i, blockRows));
                  };
                  emitCopy(e, lanes, Value(), margin, e.mul(many, all));
                  e.loop(e.index(0), many, 1, [&](Value i) {
                    emitCopy(e, lanes, e.at(output, e.mul(ldy, i)), line(i),
                             left);
                  });
                  call(margin, all);
                  e.loop(e.index(0), many, 1, [&](Value i) {
                    emitCopy(e, lanes, line(i), e.at(output, e.mul(ldy, i)),
                             left);
                  });
                },
                [&] { call(output, ldy); });
          });
        };
        // Equal steps: a short last one would cost as much as a whole one
        // in everything but products.
        Value steps = e.ceilDiv(depth, e.index(kStep));
        e.loop(e.index(0), steps, 1, [&](Value step) {
          Value k = e.floorDiv(e.mul(step, depth), steps);
          Value count =
              e.sub(e.floorDiv(e.mul(e.add(step, 1), depth), steps), k);
          Value row = rowBegin;
          for (int64_t tile : tiles) {
            Value times = e.floorDiv(e.sub(rowEnd, row), e.index(tile));
            Value end = e.add(row, e.mul(times, tile));
            e.loop(row, end, tile,
                   [&](Value at) { emitTile(tile, at, k, count); });
            row = end;
          }
        });
      });
}

func::FuncOp KernelLibrary::getGather(Type storage, int64_t blockRows) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  int64_t width = storedBytes(storage);
  return getOrCreate(
      "kern_gather_" + suffix(storage, blockRows),
      {pointer, index, pointer, index, index},
      [&](Emitter &e, ValueRange args) {
        Value w = args[0], id = args[1], y = args[2], rows = args[3],
              columns = args[4];
        Value zero = e.index(0);
        Value wrapped =
            e.create<arith::SelectOp>(e.less(id, zero), e.add(id, rows), id);
        Value row = e.max(e.min(wrapped, e.sub(rows, e.index(1))), zero);
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
