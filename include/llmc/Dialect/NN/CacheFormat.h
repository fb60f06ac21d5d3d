//===- CacheFormat.h - How caches store keys and values ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A cache is a tensor [heads, capacity, stored row]. Its element type is its
// format; `nn.append` encodes rows, and attention decodes what it reads:
//
//   that of the rows   as they are
//   bf16, rows of f32  rounded to nearest, ties to even: |error| <= |x| / 256; a
//                      NaN stays one, and what is above the largest bf16 becomes
//                      an infinity
//   i8, rows of f32    for each head and token a scale s = max|x| / 127 in f32
//                      and a code x / s in [-127, 127] for every channel, rounded
//                      to nearest. The scale is four bytes of the declared row,
//                      so a head of 64 takes 68.
//
// In i8 |x - s * code| <= max|x| / 253 where max|x| >= 2^-100; a smaller row, and
// one of zeros, decodes to zeros. A row with a NaN or an infinity decodes to NaN
// in every channel.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_CACHEFORMAT_H
#define LLMC_DIALECT_NN_CACHEFORMAT_H

#include "mlir/IR/BuiltinTypes.h"
#include <string>

namespace llmc::nn {

/// Of the scale of one head and token in a cache of bytes.
constexpr int64_t kCacheScaleBytes = 4;

/// Whether `cache` takes rows of `element`; in bytes, its own must be of static
/// size, with room for a scale and a channel.
bool canCache(mlir::ShapedType cache, mlir::Type element);

/// Elements of a row of `channels` channels in a cache of elements `stored`, and
/// back; dynamic where the extent is.
int64_t getStoredRowSize(mlir::Type stored, int64_t channels);
int64_t getCachedChannels(mlir::ShapedType cache);

/// The element type of the format `name`, "f32", "bf16" or "i8"; null for others.
mlir::Type parseCacheFormat(mlir::MLIRContext *context, llvm::StringRef name);

/// The whole name of a cache's format, in the grammar of llmc/Formats/Format.h:
/// "f32", "bf16", or "i8g64.f32" for heads of 64 channels.
std::string getCacheFormatName(mlir::ShapedType cache);

} // namespace llmc::nn

#endif // LLMC_DIALECT_NN_CACHEFORMAT_H
