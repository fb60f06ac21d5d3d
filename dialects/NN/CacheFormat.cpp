//===- CacheFormat.cpp - How caches store keys and values -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/NN/CacheFormat.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace llmc;

static int64_t scaleElements(Type stored) {
  return stored.isSignlessInteger(8) ? nn::kCacheScaleBytes : 0;
}

bool nn::canCache(ShapedType cache, Type element) {
  Type stored = cache.getElementType();
  if (stored == element)
    return true;
  // A dynamic extent is negative.
  return element.isF32() &&
         (stored.isBF16() || (stored.isSignlessInteger(8) &&
                              cache.getShape().back() > kCacheScaleBytes));
}

int64_t nn::getStoredRowSize(Type stored, int64_t channels) {
  return ShapedType::isDynamic(channels) ? channels
                                         : channels + scaleElements(stored);
}

int64_t nn::getCachedChannels(ShapedType cache) {
  int64_t stored = cache.getShape().back();
  return ShapedType::isDynamic(stored)
             ? stored
             : stored - scaleElements(cache.getElementType());
}

Type nn::parseCacheFormat(MLIRContext *context, StringRef name) {
  return llvm::StringSwitch<Type>(name)
      .Case("f32", Float32Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Case("i8", IntegerType::get(context, 8))
      .Default(Type());
}

std::string nn::getCacheFormatName(ShapedType cache) {
  if (cache.getElementType().isSignlessInteger(8))
    return "i8g" + std::to_string(getCachedChannels(cache)) + ".f32";
  std::string name;
  llvm::raw_string_ostream(name) << cache.getElementType();
  return name;
}
