//===- WeightStore.cpp - Where the bytes of weights are -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every size comes from a file and may lie: it is checked here, before any
// byte is read and before anything is allocated.
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/WeightStore.h"

#include "llmc/Support/Hash.h"
#include "llvm/Support/MathExtras.h"
#include <sys/mman.h>

using namespace mlir;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using llvm::inconvertibleErrorCode;
using namespace llmc;

static llvm::Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

std::optional<int64_t> llmc::getElementBytes(Type elementType) {
  if (elementType.isInteger(1))
    return 1;
  if (!elementType.isIntOrFloat() || elementType.getIntOrFloatBitWidth() % 8)
    return std::nullopt;
  return elementType.getIntOrFloatBitWidth() / 8;
}

std::optional<int64_t> llmc::getTensorBytes(RankedTensorType type) {
  std::optional<int64_t> bytes = getElementBytes(type.getElementType());
  if (!bytes || !type.hasStaticShape())
    return std::nullopt;
  for (int64_t extent : type.getShape()) {
    int64_t product;
    if (extent < 0 || llvm::MulOverflow(*bytes, extent, product))
      return std::nullopt;
    bytes = product;
  }
  return bytes;
}

unsigned WeightStore::addFile(std::unique_ptr<FileMap> file) {
  files.push_back(std::move(file));
  return files.size() - 1;
}

Expected<unsigned> WeightStore::addExternalFile(StringRef folder,
                                                StringRef relative) {
  auto known = external.find(relative);
  if (known != external.end())
    return known->second;
  auto file = FileMap::openBeneath(folder, relative);
  if (!file)
    return file.takeError();
  unsigned number = addFile(std::move(*file));
  external[relative] = number;
  return number;
}

Error WeightStore::addKey(StringRef key, RankedTensorType type, unsigned file,
                          uint64_t offset, uint64_t size) {
  std::optional<int64_t> want = getTensorBytes(type);
  if (!want)
    return fault("tensor '" + key + "': expected a shape whose size fits");
  if (size != static_cast<uint64_t>(*want))
    return fault("tensor '" + key + "': expected " + Twine(*want) +
                 " bytes for its shape but got " + Twine(size));
  ArrayRef<char> bytes = files[file]->bytes();
  if (offset > bytes.size() || size > bytes.size() - offset)
    return fault("tensor '" + key + "': expected its " + Twine(size) +
                 " bytes at offset " + Twine(offset) + " inside '" +
                 files[file]->path() + "' of " + Twine(bytes.size()) +
                 " bytes");
  auto entry = std::make_unique<Entry>();
  entry->type = type;
  entry->bytes = bytes.slice(offset, size);
  if (!entries.try_emplace(key, std::move(entry)).second)
    return fault("tensor '" + key + "' is defined twice");
  return Error::success();
}

Error WeightStore::addOwned(StringRef key, RankedTensorType type,
                            std::vector<char> bytes) {
  std::optional<int64_t> want = getTensorBytes(type);
  if (!want || bytes.size() != static_cast<uint64_t>(*want))
    return fault("tensor '" + key + "': expected " +
                 (want ? Twine(*want) : Twine("a known number of")) +
                 " bytes for its shape but got " + Twine(bytes.size()));
  auto entry = std::make_unique<Entry>();
  entry->type = type;
  entry->owned = std::move(bytes);
  entry->bytes = entry->owned;
  if (!entries.try_emplace(key, std::move(entry)).second)
    return fault("tensor '" + key + "' is defined twice");
  return Error::success();
}

Expected<const WeightStore::Entry *> WeightStore::find(StringRef key) const {
  auto entry = entries.find(key);
  if (entry == entries.end())
    return fault("the weight store holds no tensor '" + key + "'");
  return entry->second.get();
}

Expected<ArrayRef<char>> WeightStore::getBytes(StringRef key) const {
  auto entry = find(key);
  if (!entry)
    return entry.takeError();
  return (*entry)->bytes;
}

Expected<RankedTensorType> WeightStore::getType(StringRef key) const {
  auto entry = find(key);
  if (!entry)
    return entry.takeError();
  return (*entry)->type;
}

Expected<std::string> WeightStore::hash(StringRef key) const {
  auto entry = find(key);
  if (!entry)
    return entry.takeError();
  return hashText((*entry)->bytes.data(), (*entry)->bytes.size());
}

std::string WeightStore::describeFiles() const {
  std::string text;
  for (const std::unique_ptr<FileMap> &file : files)
    text += (file->identity() + "\n").str();
  return text;
}

void WeightStore::dropPages() const {
  for (const std::unique_ptr<FileMap> &file : files)
    if (!file->bytes().empty())
      madvise(const_cast<char *>(file->bytes().data()), file->bytes().size(),
              MADV_DONTNEED);
}
