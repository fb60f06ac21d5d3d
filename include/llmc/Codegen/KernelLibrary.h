//===- KernelLibrary.h - The micro-kernels of a module ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each method returns a private function of the module, made at the first call
// from a template and the target. They take bare pointers and extents, carry
// `llmc.kernel`, and are never inlined, so that the code of a model stays small
// however many layers it has.
//
// Guarantees, for every kernel: an output row depends on its own inputs alone,
// not on the number of rows, their tiling, or the division of items among
// threads, down to the last bit.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_KERNELLIBRARY_H
#define LLMC_CODEGEN_KERNELLIBRARY_H

#include "llmc/Codegen/Emitter.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include <optional>

namespace llmc {

/// What one attention kernel is specialized for.
struct AttentionShape {
  int64_t heads;     ///< query heads
  int64_t keyHeads;  ///< key and value heads
  int64_t keySize;   ///< size of a query and key head
  int64_t valueSize; ///< size of a value head
  double scale;
  std::optional<int64_t> window;
  std::optional<double> softcap;
  mlir::Type storage; ///< element type of the cache: f32, bf16 or i8
};

struct PackedLayout;
struct QuantizedShape;

/// What the sums of a product begin with.
enum class SumStart { Zero, Bias, Output };

class KernelLibrary {
public:
  KernelLibrary(mlir::ModuleOp module, const Target &target);

  const Target &getTarget() const { return target; }

  /// (x, ldx, w, y, ldy, K, N, row begin, row end, block begin, block end):
  /// y[m, n] = bias[n] + sum_k x[m, k] * w[n, k] for a range of rows and of
  /// blocks of w. The pointer of a bias follows w; instead of a bias, y itself may
  /// be what a sum begins with. `distance` is ldx where it is known; a kernel for
  /// a dynamic one takes any, at half the speed.
  mlir::func::FuncOp getLinear(mlir::Type storage, int64_t blockRows,
                               int64_t distance, SumStart start);
  /// Most columns of x that a product takes at once.
  int64_t getLinearStep() const;

  /// (w, id, y, rows, columns): one row of w, the id clamped.
  mlir::func::FuncOp getGather(mlir::Type storage, int64_t blockRows);

  /// (x, cache, capacity, position, row): one row of all heads into a cache with
  /// elements `storage`; `size` channels of a head.
  mlir::func::FuncOp getAppend(bool keys, int64_t heads, int64_t size,
                               mlir::Type storage);
  /// (address, bytes): fetches memory that is read later, and changes nothing.
  mlir::func::FuncOp getFetch();
  /// (cache, capacity, position): fetches the memory that a row at `position`
  /// will be written to, and changes nothing.
  mlir::func::FuncOp getAppendFetch(bool keys, int64_t heads, int64_t size,
                                    mlir::Type storage);

  /// (q, k, v, o, capacity, position, key head, row begin, row end): rows are
  /// pairs (time, query head of the group), time major. Both ends are multiples
  /// of `rowStep`.
  mlir::func::FuncOp getAttention(const AttentionShape &shape, int64_t rowStep);

  /// (q, k, v, sums, capacity, position, key head, chunk): what the row at
  /// `position` takes from one chunk, for the query heads of one key head.
  mlir::func::FuncOp getAttentionChunk(const AttentionShape &shape);

  /// (sums, o, chunk begin, chunk end, head begin, head end): the row from what
  /// it took from the chunks.
  mlir::func::FuncOp getAttentionJoin(int64_t heads, int64_t valueSize);

  /// (x, [factors], q, columns): one row as kernels of compressed matrices read
  /// it (Quantized.cpp); with `scaled`, x times a factor for each column.
  mlir::func::FuncOp getQuantizeRow(kern::Activations activations, bool scaled);

  /// (x, [factors], y, columns): one row times a Hadamard matrix in each block of
  /// `size` columns (llmc/Formats/Hadamard.h); with `scaled`, x times a factor for
  /// each column before.
  mlir::func::FuncOp getRotateRow(int64_t size, bool scaled);

  /// (x, order, [factors], y, columns): one row in the order of columns of a
  /// compressed matrix, which is in `columnBytes` bytes each; with `scaled`, x times
  /// a factor for each column before.
  mlir::func::FuncOp getPermuteRow(int64_t columnBytes, bool scaled);

  /// (q, bytes between its rows, w, y, ldy, equal pieces of a matrix row, bytes
  /// of a tile, N, row begin, row end, block begin, block end): as getLinear,
  /// of quantized rows and a compressed matrix.
  mlir::func::FuncOp getQuantizedLinear(const QuantizedShape &shape, bool bias);

  /// (q, w, y, equal pieces of a matrix row, bytes of a tile, N, block begin,
  /// block end): the same of one row.
  mlir::func::FuncOp getQuantizedOneRow(const QuantizedShape &shape, bool bias);

  /// (x, ldx, s, y, ldy, numbers of a matrix row, N, K, row begin, row end, block
  /// begin, block end): adds to y the products with the sparse part of a compressed
  /// matrix, which begins at s, for a range of rows and of tiles.
  mlir::func::FuncOp getSparse(const QuantizedShape &shape);
  /// Most rows of x that it takes at once.
  static constexpr int64_t kSparseRows = 4;

  /// (w, id, y, rows): as getGather, of a compressed matrix.
  mlir::func::FuncOp getQuantizedGather(const QuantizedShape &shape);

private:
  mlir::func::FuncOp
  getOrCreate(llvm::StringRef name, llvm::ArrayRef<mlir::Type> types,
              llvm::function_ref<void(Emitter &, mlir::ValueRange)> body);
  mlir::func::FuncOp getLinearTile(mlir::Type storage, int64_t blockRows,
                                   int64_t distance, int64_t tile);
  mlir::func::FuncOp getQuantizedTile(const QuantizedShape &shape,
                                      int64_t rows);
  mlir::func::FuncOp getSparseTile(const PackedLayout &layout, int64_t rows);
  mlir::func::FuncOp getUnpackTile(const QuantizedShape &shape);
  mlir::func::FuncOp getUnpackedTile(const QuantizedShape &shape, int64_t rows);
  mlir::func::FuncOp getAttentionTile(const AttentionShape &shape,
                                      int64_t tile);
  mlir::func::FuncOp getAttentionChunkTile(const AttentionShape &shape,
                                           int64_t tile);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  Target target;
};

/// Bytes of an element.
int64_t getStoredBytes(mlir::Type storage);

/// Reads `lanes` elements (f32, bf16, f16 or i8) as f32 from an address; zeros outside
/// of the mask, if there is one.
mlir::Value emitLoadStored(Emitter &e, mlir::Type storage, int64_t lanes,
                           mlir::Value pointer, mlir::Value mask = {});

/// The bits of x in bf16, rounded to nearest, ties to even, as i16; x has `lanes`
/// lanes, or is a scalar where `lanes` is zero.
mlir::Value emitToBf16(Emitter &e, int64_t lanes, mlir::Value x);
/// The f32 of a vector of such bits.
mlir::Value emitFromBf16(Emitter &e, int64_t lanes, mlir::Value bits);
/// The same of bits of f16, without an instruction for it, too.
mlir::Value emitFromF16(Emitter &e, int64_t lanes, mlir::Value bits);

/// Reads the index of a column, of 2 or 4 bytes, from an address. One that is
/// beyond `last` is `last`: the runtime opens no file with such a one, but a program
/// may map what it likes, and kernels must not read elsewhere.
mlir::Value emitColumn(Emitter &e, int64_t bytes, mlir::Value pointer,
                       mlir::Value last);

} // namespace llmc

#endif // LLMC_CODEGEN_KERNELLIBRARY_H
