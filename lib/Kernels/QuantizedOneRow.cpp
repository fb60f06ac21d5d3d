//===- QuantizedOneRow.cpp - A token by a compressed matrix ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A single row needs no steps in k, no copy of the input and no tiles of rows,
// and an item of its work is one tile: what a call sets up for those takes a
// quarter of the time of a tile of 576 columns.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;

func::FuncOp KernelLibrary::getQuantizedOneRow(const QuantizedShape &shape,
                                               bool bias) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<Type> types{pointer, pointer};
  if (bias)
    types.push_back(pointer);
  types.append({pointer, index, index, index, index, index});
  func::FuncOp kernel = getQuantizedTile(shape, /*rows=*/1);
  int64_t tileRows = shape.layout.tileRows,
          lanes = std::min(target.lanes(), tileRows);
  return getOrCreate(
      getQuantizedKernelName(shape) +
          getActivationsSuffix(shape.activations).str() + "_one" +
          (bias ? "_bias" : ""),
      types, [&](Emitter &e, ValueRange args) {
        Value x = args[0], w = args[1], b = bias ? args[2] : Value();
        ValueRange rest = args.drop_front(bias ? 3 : 2);
        Value y = rest[0], pieces = rest[1], tileBytes = rest[2],
              outputs = rest[3], width = e.index(tileRows);
        Value margin = e.stack(tileRows);
        auto multiply = [&](Value block, Value to) {
          e.create<func::CallOp>(
              kernel,
              ValueRange{x, e.at(w, e.mul(block, tileBytes), 1), to, width,
                         e.index(0), pieces, e.index(shape.hasTail())});
        };
        e.loop(rest[4], rest[5], 1, [&](Value block) {
          Value column = e.mul(block, tileRows), left = e.sub(outputs, column),
                to = e.at(y, column), from = b ? e.at(b, column) : Value();
          e.ifElse(
              e.less(left, width),
              [&] {
                e.copy(lanes, Value(), margin, width);
                if (from)
                  e.copy(lanes, from, margin, left);
                multiply(block, margin);
                e.copy(lanes, margin, to, left);
              },
              [&] {
                e.copy(lanes, from, to, width);
                multiply(block, to);
              });
        });
      });
}
