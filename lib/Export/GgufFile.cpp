//===- GgufFile.cpp - The head of a GGUF file -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "GgufFile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::ArrayRef;
using llvm::StringRef;

/// Numbers of the types of metadata.
enum : uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9
};

static void appendNumber(std::string &out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    out += static_cast<char>(value >> 8 * i);
}

static void appendText(std::string &out, StringRef text) {
  appendNumber(out, text.size(), 8);
  out += text;
}

void GgufHead::begin(StringRef key, uint32_t type) {
  ++count;
  appendText(entries, key);
  appendNumber(entries, type, 4);
}

void GgufHead::addNumber(StringRef key, uint32_t value) {
  begin(key, kUint32);
  appendNumber(entries, value, 4);
}

void GgufHead::addReal(StringRef key, float value) {
  begin(key, kFloat32);
  appendNumber(entries, llvm::bit_cast<uint32_t>(value), 4);
}

void GgufHead::addFlag(StringRef key, bool value) {
  begin(key, kBool);
  appendNumber(entries, value, 1);
}

void GgufHead::addText(StringRef key, StringRef value) {
  begin(key, kString);
  appendText(entries, value);
}

void GgufHead::addTexts(StringRef key, ArrayRef<std::string> values) {
  begin(key, kArray);
  appendNumber(entries, kString, 4);
  appendNumber(entries, values.size(), 8);
  for (const std::string &value : values)
    appendText(entries, value);
}

void GgufHead::addNumbers(StringRef key, ArrayRef<int32_t> values) {
  begin(key, kArray);
  appendNumber(entries, kInt32, 4);
  appendNumber(entries, values.size(), 8);
  for (int32_t value : values)
    appendNumber(entries, static_cast<uint32_t>(value), 4);
}

std::string GgufHead::build(ArrayRef<GgufTensor> tensors) const {
  std::string out = "GGUF";
  appendNumber(out, 3, 4);
  appendNumber(out, tensors.size(), 8);
  appendNumber(out, count, 8);
  out += entries;
  uint64_t offset = 0;
  for (const GgufTensor &tensor : tensors) {
    appendText(out, tensor.name);
    appendNumber(out, tensor.shape.size(), 4);
    for (int64_t extent : llvm::reverse(tensor.shape))
      appendNumber(out, extent, 8);
    appendNumber(out, tensor.type, 4);
    appendNumber(out, offset, 8);
    offset += llvm::alignTo(tensor.bytes, kGgufAlignment);
  }
  out.append(llvm::alignTo(out.size(), kGgufAlignment) - out.size(), '\0');
  return out;
}
