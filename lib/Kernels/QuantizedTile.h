//===- QuantizedTile.h - Tiles of compressed matrices -----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The words that kernels over tiles are built from: to read a tile, unit after
// unit, to multiply with it, and to keep its outputs. The order of bytes of the
// input is at the top of Quantized.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_KERNELS_QUANTIZEDTILE_H
#define LLMC_LIB_KERNELS_QUANTIZEDTILE_H

#include "llmc/Codegen/QuantizedEmitter.h"

#include <functional>

namespace llmc {

/// What is done with 32 columns of a tile as soon as the numbers of its one group,
/// or of two halves, are there: `values` travel from unit to unit.
using FinishUnit =
    std::function<void(llvm::ArrayRef<const QuantizedEmitter::Chains *> parts,
                       Emitter::Values &values)>;

/// What is done with 32 columns before: their stored bytes, and their unit counted
/// from the first of a step.
using VisitUnit = llvm::function_ref<FinishUnit(
    mlir::Value stored, mlir::Value unit, int64_t parts)>;

/// How a tile is read.
struct Reading {
  /// Bytes are asked for so many bytes before they are read; 0: never.
  int64_t ahead = 0;
  /// Numbers of groups, which lie behind the codes of a record, are read behind
  /// them.
  bool inOrder = false;
};

/// Sums of a group of several units, which need its numbers at the end only. Units
/// then get no numbers, and sums of the group instead of those of the outputs.
struct GroupSums {
  llvm::function_ref<Emitter::Values()> start;
  /// `units` units from `first` on were added.
  llvm::function_ref<void(const QuantizedEmitter::Chains &numbers,
                          llvm::ArrayRef<mlir::Value> group, mlir::Value first,
                          int64_t units, Emitter::Values &values)>
      end;
};

/// Goes through the units of a tile in the order in which they are stored.
class TileWalker {
public:
  TileWalker(Emitter &e, const QuantizedShape &shape, QuantizedEmitter &codes,
             VisitUnit visit, Reading reading = {},
             std::optional<GroupSums> sums = std::nullopt)
      : e(e), shape(shape), codes(codes), visit(visit), reading(reading),
        sums(sums) {}

  /// The records [first, last) and, where `tail` is not 0, the last, shorter one.
  /// Where the matrix has one group a row: units [first, last).
  Emitter::Values walk(mlir::Value tile, mlir::Value first, mlir::Value last,
                       mlir::Value tail, Emitter::Values values);

private:
  /// One record, which begins at unit `unit`.
  void addRecord(const RecordPlan &plan, mlir::Value head, mlir::Value record,
                 mlir::Value unit, Emitter::Values &values);

  /// The same by sums of groups.
  void addGroups(const RecordPlan &plan, mlir::Value head, mlir::Value record,
                 mlir::Value unit, Emitter::Values &values);

  /// Units [begin, end) of a record that is one group, from unit `unit` on.
  void addUnits(const RecordPlan &plan, mlir::Value head, mlir::Value record,
                mlir::Value begin, mlir::Value end, mlir::Value unit,
                Emitter::Values &values);

  /// Asks for what lies `ahead` of the next `bytes`, for part `part` of `parts`.
  /// Every byte of a tile must be asked for: the few that are not cost as much as
  /// all others. Behind the matrix, too: addresses that are none do no harm.
  void fetch(mlir::Value from, int64_t bytes, int64_t part = 0,
             int64_t parts = 1);

  /// What reads memory stays on its side of this.
  void keepOrder();

  Emitter &e;
  const QuantizedShape &shape;
  QuantizedEmitter &codes;
  VisitUnit visit;
  Reading reading;
  std::optional<GroupSums> sums;
};

/// How a matrix is read for a single token, which needs each byte once. Zen 3 waits
/// for what was not asked for long before. Zen 4 asks itself, if lines are read in
/// ascending order: then it reads as fast as memory gives, and requests further
/// ahead than one line cost up to a quarter.
Reading readOnce(const Target &target);

/// Where a product gets the levels of a k-step, one register of rows, and the
/// numbers of a part of a unit from.
struct UnitSource {
  int64_t parts;
  /// Whether levels are read from memory, step by step, for all rows at once.
  bool unpacked;
  llvm::function_ref<mlir::Value(int64_t step, int64_t column, unsigned term)>
      levels;
  llvm::function_ref<const QuantizedEmitter::Chains &(int64_t part)> chains;
};

/// Multiplies `rows` rows of the input with 32 columns of a tile.
class TileBuilder {
public:
  TileBuilder(Emitter &e, const Target &target, const QuantizedShape &shape,
              int64_t rows, QuantizedEmitter &codes)
      : e(e), shape(shape), codes(codes), places(shape.activations),
        sharesSums(QuantizedEmitter::addsHighBytes(target)), rows(rows),
        lanes(codes.lanes), columns(codes.columns) {}

  /// Adds a unit to `sums`. `lines` are the groups of the input rows; `products`
  /// those of all parts and terms, if there are any yet.
  void addUnit(const UnitSource &source, llvm::ArrayRef<mlir::Value> lines,
               Emitter::Values &sums,
               llvm::ArrayRef<Emitter::Values> products = {});

  /// Whether groups have sums of their own: products of codes times the scale of
  /// the input, which are multiplied with the scale of the group together. A
  /// step in k must end where a group does.
  static bool sumsGroups(const Target &target, const QuantizedShape &shape);
  /// Zeros: [term][row][column].
  Emitter::Values startGroup();
  /// Adds a unit to the sums of its group.
  void addToGroup(const UnitSource &source, llvm::ArrayRef<mlir::Value> lines,
                  Emitter::Values &group,
                  llvm::ArrayRef<Emitter::Values> products);
  /// Adds the sums of a group to `sums`. `lines` are those of its first unit.
  void endGroup(const QuantizedEmitter::Chains &numbers,
                llvm::ArrayRef<mlir::Value> group,
                llvm::ArrayRef<mlir::Value> lines, int64_t units,
                Emitter::Values &sums);

  /// The products of all parts and terms of a unit.
  llvm::SmallVector<Emitter::Values>
  multiply(const UnitSource &source, llvm::ArrayRef<mlir::Value> lines);

private:
  /// Which of the three sums of the input belongs to a part.
  static int64_t getSum(const UnitSource &source, int64_t part);

  /// Sums of input times level over a part, as reals.
  Emitter::Values multiply(const UnitSource &source, int64_t part,
                           unsigned term, llvm::ArrayRef<mlir::Value> lines);

  /// A number of the input in every lane.
  mlir::Value readInput(mlir::Type type, mlir::Value line, int64_t place);

  /// Sums of code times level over the k-steps [first, last), as reals.
  Emitter::Values multiplyCodes(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                llvm::ArrayRef<mlir::Value> lines,
                                int64_t which);

  /// Adds in sixteen bits as long as the range of levels allows. What corrects
  /// the sums comes last: sums in 32 bits then need no registers on the way.
  Emitter::Values addPairs(const UnitSource &source, int64_t first,
                           int64_t last, unsigned term,
                           llvm::ArrayRef<mlir::Value> lines);

  /// The same where the range allows few steps: sums in both widths would take
  /// more registers than the levels of these steps do, so one output after the
  /// other is finished.
  Emitter::Values addShortPairs(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                llvm::ArrayRef<mlir::Value> lines,
                                int64_t most);

  /// Adds every k-step in 32 bits.
  void addDots(const UnitSource &source, int64_t first, int64_t last,
               unsigned term, llvm::ArrayRef<mlir::Value> lines,
               Emitter::Values &dots);

  /// Column `column` of a group of reals in every lane.
  mlir::Value readReal(mlir::Value line, int64_t column);

  /// Sums of number times level over the k-steps [first, last).
  Emitter::Values multiplyReals(const UnitSource &source, int64_t first,
                                int64_t last, unsigned term,
                                llvm::ArrayRef<mlir::Value> lines);

  /// All sums are in registers at once here. Left alone, LLVM finishes one sum
  /// after the other and keeps the levels and inputs of all steps on the stack.
  void keepTogether(Emitter::Values &sums);

  Emitter::Values getLevels(const UnitSource &source, int64_t step,
                            unsigned term);

  Emitter &e;
  const QuantizedShape &shape;
  QuantizedEmitter &codes;
  InputPlaces places;
  /// Whether products of high and low bytes go to one sum.
  bool sharesSums;
  int64_t rows, lanes, columns;
};

/// The outputs of a tile: read first, written at the end.
class TileOutputs {
public:
  TileOutputs(Emitter &e, mlir::Value y, mlir::Value ldy, int64_t rows,
              const QuantizedEmitter &codes)
      : e(e), lanes(codes.lanes), columns(codes.columns) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t c = 0; c < columns; ++c)
        places.push_back(e.at(i ? e.at(y, e.mul(ldy, i)) : y, c * lanes));
  }
  Emitter::Values load() {
    Emitter::Values sums;
    for (mlir::Value place : places)
      sums.push_back(e.load(e.vectorType(lanes), place));
    return sums;
  }
  void store(mlir::ValueRange sums) {
    for (auto [sum, place] : llvm::zip_equal(sums, places))
      e.store(sum, place);
  }

private:
  Emitter &e;
  int64_t lanes, columns;
  Emitter::Values places;
};

} // namespace llmc

#endif // LLMC_LIB_KERNELS_QUANTIZEDTILE_H
