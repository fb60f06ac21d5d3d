//===- QuantizedEmitter.h - Reads compressed matrices in kernels -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From the description of a format (llmc/Formats) to the instructions that turn
// its bytes into levels and scales. Every kernel over a compressed matrix is
// built from these words.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_QUANTIZEDEMITTER_H
#define LLMC_CODEGEN_QUANTIZEDEMITTER_H

#include "llmc/Codegen/Emitter.h"
#include "llmc/Codegen/LevelsFunction.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Formats/Layout.h"

namespace llmc {

/// Where the numbers of a group of an input row are, behind its columns (see the
/// top of Quantized.cpp).
struct InputPlaces {
  int64_t scale, scaledSums, corrections;

  explicit constexpr InputPlaces(kern::Activations activations)
      : scale(kern::getInputColumnsBytes(activations)), scaledSums(scale + 4),
        corrections(scale + 16) {}
};

/// A correction is -2^7 times a sum of codes: 128 is the most that is added to
/// levels to make them unsigned.
constexpr int64_t kCorrectionShift = 7;

/// What names of kernels for such inputs end with.
llvm::StringRef getActivationsSuffix(kern::Activations activations);

/// What a kernel over a compressed matrix is specialized for.
struct QuantizedShape {
  FormatDescription format;
  PackedLayout layout;
  /// What the input of a product is.
  kern::Activations activations = kern::Activations::I8;
  /// For each term the function of its levels, if it has one.
  llvm::SmallVector<std::optional<LevelsFunction>, 1> functions;

  /// Refuses functions that do not say what the levels are. They are read in
  /// `context`, that of the kernels.
  static llvm::Expected<QuantizedShape> create(const FormatDescription &format,
                                               int64_t rows, int64_t columns,
                                               int64_t tileRows,
                                               mlir::MLIRContext *context);
  /// The same with the name of a format of llmc.
  static llvm::Expected<QuantizedShape> create(llvm::StringRef format,
                                               int64_t rows, int64_t columns,
                                               int64_t tileRows);

  /// One group a row, so that a step in k ends inside it.
  bool cutsRecords() const { return layout.groups == 1; }
  /// Whether the last record is unlike the others.
  bool hasTail() const {
    return !cutsRecords() && (layout.lastRecord.units != layout.record.units ||
                              layout.lastRecord.groups != layout.record.groups);
  }
  /// Records of equal size; units where records are cut.
  int64_t wholePieces() const {
    if (cutsRecords())
      return layout.lastRecord.units;
    return layout.records - hasTail();
  }
  /// Tells apart the kernels of one format, by all that they are made for beside
  /// it: how the last record differs.
  std::string getVariant() const;
  int64_t inputGroupBytes() const {
    return kern::getInputGroupBytes(activations);
  }
  /// Groups of 32 input columns that one step in k covers: twelve rows of them
  /// take 24 KiB of the first-level cache.
  int64_t stepUnits() const { return 2048 / inputGroupBytes(); }
  /// Bytes between two rows of an input tile on the stack: a cache line more
  /// than a multiple of the distance of cache sets.
  int64_t panelBytes() const { return panelUnits() * inputGroupBytes() + 64; }
  /// The most units that a step covers.
  int64_t panelUnits() const {
    return std::max<int64_t>(stepUnits(),
                             cutsRecords() ? 1 : layout.record.units);
  }
};

/// What the names of kernels begin with that unpack the codes of a matrix; what
/// is added to the codes does not matter.
std::string getQuantizedKernelName(const QuantizedShape &shape);

/// Numbers of input rows for which a tile fits the registers, descending, one
/// last.
llvm::SmallVector<int64_t> getQuantizedRowTiles(const Target &target,
                                                const QuantizedShape &shape);

class QuantizedEmitter {
public:
  QuantizedEmitter(Emitter &e, const Target &target,
                   const QuantizedShape &shape);
  /// One row of a tile, in vectors of one element; numbers of groups in f64,
  /// where their products are exact.
  QuantizedEmitter(Emitter &e, const Target &target,
                   const QuantizedShape &shape, mlir::Value row);

  /// Rows in a register, and registers for the rows of a tile.
  int64_t lanes, columns;

  /// The numbers of one group, a register of rows each: [term][column].
  struct Chains {
    llvm::SmallVector<Emitter::Values, 1> scales;
    Emitter::Values minimum;
  };
  Chains loadChains(const RecordPlan &plan, mlir::Value head,
                    mlir::Value record, int64_t group);

  mlir::Value atUnit(mlir::Value record, mlir::Value unit);
  mlir::Value atUnit(mlir::Value record, int64_t unit);

  /// The stored bytes of a unit.
  struct Pieces {
    /// [piece over all planes][column], i32 lanes.
    llvm::SmallVector<Emitter::Values, 8> words;
    /// Where they lie: codes of a whole byte are read one by one.
    mlir::Value unit;
  };
  Pieces loadPieces(mlir::Value unit);

  /// For a k-step: the levels of four columns in the bytes of each lane, plus
  /// a power of two that makes them unsigned, or signed as they are.
  mlir::Value emitLevels(const Pieces &pieces, int64_t step, int64_t column,
                         unsigned term);
  /// Whether dot products take the levels of a term with their signs.
  bool isSigned(unsigned term) const;
  /// What emitLevels added is 2^shift; -1: nothing.
  int64_t getOffsetShift(unsigned term) const;
  /// The largest value of a byte of emitLevels.
  int64_t getLargestLevel(unsigned term) const;

  /// Byte `byte` of emitLevels as the level itself, a real of type `type`.
  mlir::Value emitLevel(mlir::Value levels, int64_t byte, unsigned term,
                        mlir::Type type);
  /// Of byte `byte` of emitLevels: `before` + scale * level, in f64.
  mlir::Value emitValue(const Chains &chains, mlir::Value levels, int64_t byte,
                        unsigned term, mlir::Value before);

  /// sum + the dot products of four bytes in each lane, `levels` those of
  /// `term`, `inputs` signed, and no less than -127 where isSigned(term). With
  /// `high`, 256 times the products, where addsHighBytes().
  mlir::Value emitDot4(mlir::Value sum, mlir::Value levels, mlir::Value inputs,
                       unsigned term, bool high = false);

  /// Over how many k-steps emitPairs may add, by the range of the levels; 0 where
  /// there is no such instruction, or not one pair fits.
  int64_t getPairSteps(unsigned term) const;
  /// sum + the products of neighboring bytes added in pairs, in sixteen bits;
  /// `sum` may be null. Inputs as for emitDot4.
  mlir::Value emitPairs(mlir::Value sum, mlir::Value levels, mlir::Value inputs,
                        unsigned term);
  /// sum + factor (1 or 256) * what emitPairs gave, in 32 bits; `sum` may be null.
  mlir::Value addPairs(mlir::Value sum, mlir::Value pairs, int64_t factor = 1);

  /// Whether one sum can take the products of both bytes of a number.
  static bool addsHighBytes(const Target &target) {
    return target.dot == DotUnit::Madd;
  }

private:
  /// Four codes in the bytes of each lane: those of a k-step, or in formats of
  /// vectors of so many as they stand for. Without `masked`, the bits of a byte
  /// above its code may be anything.
  mlir::Value emitCodes(const Pieces &pieces, int64_t step, int64_t column,
                        bool masked = true);
  /// Whether one instruction looks up a table of so many bytes, by the low bits
  /// of keys alone.
  bool permutes(size_t size) const;
  /// emitLevels of a format of vectors (QuantizedVectors.cpp).
  mlir::Value lookUpVectors(const Pieces &pieces, int64_t step, int64_t column,
                            unsigned term);
  mlir::Value moveBits(mlir::Value words, int64_t right);
  mlir::Value loadReal(RealType type, mlir::Value from);
  mlir::Value loadCode(ScaleCode code, mlir::Value from, int64_t group,
                       int64_t groups, int64_t column);
  mlir::Value loadBytes(mlir::Value from);
  /// `base` + `place` and, for one row, that row.
  mlir::Value atRow(mlir::Value base, int64_t place, int64_t width);
  mlir::Value widen(mlir::Value value);
  mlir::Value multiplyPairs(mlir::Value a, mlir::Value b);
  /// The same as the function of the term computes it, plus `added`.
  mlir::Value splice(const LevelsFunction &function, mlir::Value codes,
                     int64_t added);
  mlir::Value lookUp(mlir::Value codes, llvm::ArrayRef<uint8_t> table);
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result,
                        mlir::ValueRange operands);
  mlir::Value cast(mlir::Value vector, mlir::VectorType type);
  mlir::Value word(int64_t value);

  Emitter &e;
  const Target &target;
  const QuantizedShape &shape;
  llvm::SmallVector<Plane, 2> planes;
  mlir::Value row;
};

} // namespace llmc

#endif // LLMC_CODEGEN_QUANTIZEDEMITTER_H
