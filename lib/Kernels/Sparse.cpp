//===- Sparse.cpp - Products with sparse parts of matrices ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Lanes are the rows of a tile, which all have as many numbers: for each number a
// column and a value side by side (llmc/Formats/Layout.h), and of x what stands in
// those columns, one by one. Columns are read once for some rows of x. An output is
// one chain of fused multiply-adds in the order of the numbers, whatever the tiling.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;

static constexpr int64_t kValueBytes = 2;

static std::string getName(const PackedLayout &layout) {
  return "kern_sparse_r" + std::to_string(layout.tileRows) + "_c" +
         std::to_string(layout.columnBytes);
}

/// (x, ldx, tile, start, ldstart, y, ldy, count, last column): y[i][:] =
/// start[i][:] + the products of x[i] with `count` numbers of each row of a tile.
/// `start` may be `y`.
func::FuncOp KernelLibrary::getSparseTile(const PackedLayout &layout,
                                          int64_t rows) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  int64_t tileRows = layout.tileRows, width = layout.columnBytes;
  int64_t lanes = std::min(target.lanes(), tileRows);
  func::FuncOp kernel = getOrCreate(
      getName(layout) + "_m" + std::to_string(rows),
      {pointer, index, pointer, pointer, index, pointer, index, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], tile = args[2], start = args[3],
              ldstart = args[4], y = args[5], ldy = args[6], count = args[7];
        Value numbers = e.at(tile, e.mul(count, tileRows), width);
        // One register of rows after the other: each is a chain by itself.
        for (int64_t first = 0; first < tileRows; first += lanes) {
          auto at = [&](Value base, Value distance, int64_t i) {
            return e.at(i ? e.at(base, e.mul(distance, i)) : base, first);
          };
          Emitter::Values sums;
          for (int64_t i = 0; i < rows; ++i)
            sums.push_back(e.load(e.vectorType(lanes), at(start, ldstart, i)));
          sums = e.loop(
              e.index(0), count, 1, sums,
              [&](Value j, ValueRange previous) -> Emitter::Values {
                Value place = e.add(e.mul(j, tileRows), first);
                Value columns = e.at(tile, place, width);
                Value value = emitLoadStored(e, e.getBF16Type(), lanes,
                                             e.at(numbers, place, kValueBytes));
                SmallVector<Value> offsets;
                for (int64_t lane = 0; lane < lanes; ++lane)
                  offsets.push_back(emitColumn(
                      e, width, e.at(columns, lane, width), args[8]));
                Emitter::Values next(previous);
                for (int64_t i = 0; i < rows; ++i) {
                  Value row = i ? e.at(x, e.mul(ldx, i)) : x;
                  SmallVector<Value> inputs;
                  for (Value offset : offsets)
                    inputs.push_back(e.load(e.getF32Type(), e.at(row, offset)));
                  Value input = e.create<vector::FromElementsOp>(
                      e.vectorType(lanes), inputs);
                  next[i] = e.fma(input, value, next[i]);
                }
                return next;
              });
          for (int64_t i = 0; i < rows; ++i)
            e.store(sums[i], at(y, ldy, i));
        }
      });
  for (unsigned shared : {3, 5})
    kernel.removeArgAttr(shared, LLVM::LLVMDialect::getNoAliasAttrName());
  return kernel;
}

func::FuncOp KernelLibrary::getSparse(const QuantizedShape &shape) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  const PackedLayout &layout = shape.layout;
  int64_t tileRows = layout.tileRows;
  int64_t lanes = std::min(target.lanes(), tileRows);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t rows : {kSparseRows, int64_t(1)})
    kernels[rows] = getSparseTile(layout, rows);
  return getOrCreate(
      getName(layout),
      {pointer, index, pointer, pointer, index, index, index, index, index,
       index, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], ldx = args[1], s = args[2], y = args[3],
              ldy = args[4], count = args[5], outputs = args[6],
              last = e.sub(args[7], e.index(1)), rowBegin = args[8],
              rowEnd = args[9];
        Value margin = e.stack(kSparseRows * tileRows);
        Value bytes =
            e.mul(count, tileRows * (layout.columnBytes + kValueBytes));
        e.loop(args[10], args[11], 1, [&](Value block) {
          Value tile = e.at(s, e.mul(block, bytes), 1);
          Value column = e.mul(block, tileRows);
          e.cover({kSparseRows, 1}, rowBegin, rowEnd,
                  [&](int64_t rows, Value row) {
                    Rows output{e.at(y, e.add(e.mul(row, ldy), column)), ldy};
                    emitWithMargin(
                        e, lanes, rows, tileRows, e.sub(outputs, column),
                        output, output, margin, [&](Rows from, Rows to) {
                          e.create<func::CallOp>(
                              kernels[rows],
                              ValueRange{e.at(x, e.mul(row, ldx)), ldx, tile,
                                         from.base, from.distance, to.base,
                                         to.distance, count, last});
                        });
                  });
        });
      });
}
