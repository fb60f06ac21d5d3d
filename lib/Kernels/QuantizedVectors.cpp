//===- QuantizedVectors.cpp - Codes that stand for several weights --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The table lies in the code of the model, as bytes that emitLevels would give. A
// k-step of a row takes four bytes: the entry of one code of four weights, half of
// one of eight, or two entries beside each other. They are loaded row by row into
// the lanes of a register: an instruction that gathers takes longer on most
// processors, and some have none.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/QuantizedEmitter.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace llmc;

/// The address of a constant of the module with these bytes.
static Value emitTable(Emitter &e, ArrayRef<uint8_t> table) {
  auto module =
      e.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  // Tables of the same bytes are one, and formats of one name have one table.
  std::string name = "kern_levels_" + llvm::utohexstr(llvm::xxh3_64bits(table));
  auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    OpBuilder::InsertionGuard guard(e);
    e.setInsertionPointToStart(module.getBody());
    int64_t size = static_cast<int64_t>(table.size());
    auto type = RankedTensorType::get({size}, e.getI8Type());
    SmallVector<int8_t> bytes(table.begin(), table.end());
    global = e.create<LLVM::GlobalOp>(
        LLVM::LLVMArrayType::get(e.getI8Type(), size), /*isConstant=*/true,
        LLVM::Linkage::Internal, name,
        DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)),
        /*alignment=*/64);
  }
  return e.create<LLVM::AddressOfOp>(global);
}

Value QuantizedEmitter::lookUpVectors(const Pieces &pieces, int64_t step,
                                      int64_t column, unsigned term) {
  const FormatDescription &format = shape.format;
  int64_t weights = format.weightsPerIndex, tileRows = shape.layout.tileRows;
  int64_t shift = getOffsetShift(term),
          added = shift < 0 ? 0 : int64_t(1) << shift;
  SmallVector<uint8_t> bytes;
  for (int8_t level : format.terms[term].levels.table)
    bytes.push_back(static_cast<uint8_t>(level + added));
  Value table = emitTable(e, bytes);

  // The codes of the k-step are `count` bytes of a lane from `first` on.
  int64_t place = step * kStepColumns / weights,
          count = std::max<int64_t>(kStepColumns / weights, 1),
          piece = place / kStepColumns, first = place % kStepColumns;
  bool inMemory = format.indexBits == 8;
  Value words;
  if (!inMemory)
    words = cast(emitCodes(pieces, piece, column),
                 VectorType::get({lanes * 4}, e.getI8Type()));
  auto loadCode = [&](int64_t lane, int64_t byte) -> Value {
    if (!inMemory)
      return e.create<vector::ExtractOp>(words, lane * 4 + byte);
    int64_t at = piece * tileRows + column * lanes + lane;
    return e.load(e.getI8Type(), e.at(atRow(pieces.unit, at, 4), byte, 1), 1);
  };
  // Of a vector of eight, the half that the k-step has.
  int64_t size = std::min(weights, kStepColumns),
          half = step * kStepColumns % weights;
  Type entry = e.getIntegerType(static_cast<unsigned>(8 * size));
  Emitter::Values entries;
  for (int64_t lane = 0; lane < lanes; ++lane)
    for (int64_t i = 0; i < count; ++i) {
      Value code = e.create<arith::IndexCastUIOp>(e.getIndexType(),
                                                  loadCode(lane, first + i));
      entries.push_back(
          e.load(entry, e.at(e.at(table, code, weights), half, 1), 1));
    }
  auto type = VectorType::get({lanes * count}, entry);
  return cast(e.create<vector::FromElementsOp>(type, entries),
              VectorType::get({lanes}, e.getI32Type()));
}
