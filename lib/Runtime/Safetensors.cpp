//===- Safetensors.cpp - Read the header of a safetensors file ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The format: eight bytes with the length of a JSON header (little endian),
// the header, then the data. Bundles are stricter than the format, because the
// code reads weights at fixed offsets without looking at the header.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Safetensors.h"
#include "llmc/Runtime/Manifest.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include <algorithm>
#include <tuple>

using namespace llmc;
namespace json = llvm::json;

static constexpr uint64_t kAlignment = 64;
/// Largest header we read: the limit of the format's own implementation.
static constexpr uint64_t kHeaderLimit = 100000000;

static size_t bytesOf(llvm::StringRef dtype) {
  if (dtype == "F64" || dtype == "I64" || dtype == "U64")
    return 8;
  if (dtype == "F32" || dtype == "I32" || dtype == "U32")
    return 4;
  if (dtype == "F16" || dtype == "BF16" || dtype == "I16" || dtype == "U16")
    return 2;
  if (dtype == "I8" || dtype == "U8" || dtype == "BOOL" || dtype == "F8_E4M3" ||
      dtype == "F8_E5M2")
    return 1;
  return 0;
}

/// Reads one entry of the header.
static Fault readTensor(llvm::StringRef name, const json::Value &value,
                        uint64_t dataBytes, StoredTensor &tensor) {
  auto bad = [&](const std::string &what) {
    return Fault::input("tensor '" + name.str() + "' " + what);
  };
  tensor.name = name.str();
  const json::Object *object = value.getAsObject();
  auto dtype = object ? object->getString("dtype") : std::nullopt;
  auto *shape = object ? object->getArray("shape") : nullptr;
  auto *offsets = object ? object->getArray("data_offsets") : nullptr;
  if (!dtype || !shape || !offsets || offsets->size() != 2)
    return bad("lacks a dtype, a shape or two data_offsets");
  tensor.dtype = dtype->str();
  uint64_t bytes = bytesOf(*dtype);
  if (!bytes)
    return bad("has the unknown dtype '" + tensor.dtype + "'");
  bool empty = false;
  for (const json::Value &extent : *shape) {
    auto number = extent.getAsInteger();
    if (!number || *number < 0 ||
        (*number && bytes > (UINT64_C(1) << 62) / *number))
      return bad("has an impossible shape");
    tensor.shape.push_back(*number);
    empty |= *number == 0;
    if (*number)
      bytes *= *number;
  }
  if (empty)
    bytes = 0;
  auto begin = (*offsets)[0].getAsInteger(), end = (*offsets)[1].getAsInteger();
  if (!begin || !end || *begin < 0 || *end < *begin ||
      static_cast<uint64_t>(*end) > dataBytes)
    return bad("has data_offsets outside of the " + std::to_string(dataBytes) +
               " bytes of data");
  tensor.begin = *begin;
  tensor.end = *end;
  if (tensor.end - tensor.begin != bytes)
    return bad("has " + std::to_string(tensor.end - tensor.begin) +
               " bytes but its shape needs " + std::to_string(bytes));
  // What fills up to the next tensor stands anywhere.
  bool padding = llvm::StringRef(tensor.name).starts_with(kPaddingPrefix);
  if (!padding && tensor.begin % kAlignment)
    return bad("begins at byte " + std::to_string(tensor.begin) +
               ", expected a multiple of 64");
  return {};
}

Fault llmc::readSafetensors(llvm::ArrayRef<uint8_t> file,
                            std::vector<StoredTensor> &tensors,
                            uint64_t &dataOffset) {
  if (file.size() < 8)
    return Fault::input("expected a header of at least 8 bytes but got " +
                        std::to_string(file.size()));
  uint64_t length = llvm::support::endian::read64le(file.data());
  if (length > kHeaderLimit || length > file.size() - 8)
    return Fault::input("the header claims " + std::to_string(length) +
                        " bytes but the file has " +
                        std::to_string(file.size()));
  dataOffset = 8 + length;
  if (dataOffset % kAlignment)
    return Fault::input("the data begins at byte " +
                        std::to_string(dataOffset) +
                        ", expected a multiple of 64");
  uint64_t dataBytes = file.size() - dataOffset;
  llvm::StringRef text(reinterpret_cast<const char *>(file.data()) + 8, length);
  if (Fault fault = checkDepth(text, 8))
    return fault;
  llvm::Expected<json::Value> parsed = json::parse(text);
  if (!parsed)
    return Fault::input("the header is not JSON: " +
                        llvm::toString(parsed.takeError()));
  const json::Object *root = parsed->getAsObject();
  if (!root)
    return Fault::input("the header is not a JSON object");
  tensors.clear();
  for (auto &[name, value] : *root) {
    if (llvm::StringRef(name) == "__metadata__")
      continue;
    StoredTensor tensor;
    if (Fault fault = readTensor(name, value, dataBytes, tensor))
      return fault;
    tensors.push_back(std::move(tensor));
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const StoredTensor &a, const StoredTensor &b) {
              return std::tie(a.begin, a.end, a.name) <
                     std::tie(b.begin, b.end, b.name);
            });
  uint64_t used = 0;
  std::string before = "the beginning of the data";
  for (const StoredTensor &tensor : tensors) {
    if (tensor.begin < used)
      return Fault::input("tensor '" + tensor.name + "' overlaps " + before);
    if (tensor.begin - used >= kAlignment)
      return Fault::input("there are " + std::to_string(tensor.begin - used) +
                          " bytes of no tensor between " + before + " and '" +
                          tensor.name + "'");
    used = tensor.end;
    before = "'" + tensor.name + "'";
  }
  if (dataBytes - used >= kAlignment)
    return Fault::input("there are " + std::to_string(dataBytes - used) +
                        " bytes of no tensor after " + before);
  return {};
}
