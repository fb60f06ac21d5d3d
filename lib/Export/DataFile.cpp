//===- DataFile.cpp - A file of tensors, laid out and then filled ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DataFile.h"

#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::ArrayRef;
using llvm::Error;
using llvm::StringRef;

size_t DataFile::beginEntry(std::vector<std::string> names) {
  uint64_t begin = llvm::alignTo(size, alignment);
  entries.push_back({std::move(names), begin, begin});
  return entries.size() - 1;
}

onnx::Place DataFile::place(uint64_t bytes) {
  uint64_t begin = llvm::alignTo(size, alignment);
  size = entries.back().end = begin + bytes;
  return {begin, bytes};
}

uint64_t DataFile::getPaddedEnd(uint64_t end) const {
  return std::max(end, std::min(llvm::alignTo(end, alignment), size));
}

Error DataFile::open(StringRef head, bool isPadded) {
  if (isPadded)
    size = llvm::alignTo(size, alignment);
  return file.open(request.place.path(kExportedData), head,
                   static_cast<int64_t>(size));
}

Error DataFile::write(onnx::Place place, ArrayRef<char> bytes) {
  if (bytes.size() != place.size)
    return llvm::createStringError("expected a tensor of " +
                                   llvm::Twine(place.size) + " bytes but got " +
                                   llvm::Twine(bytes.size()));
  if (Error error = file.write(bytes, static_cast<int64_t>(place.offset)))
    return error;
  // An earlier run may have left anything there.
  uint64_t end = place.offset + place.size;
  std::vector<char> zeros(getPaddedEnd(end) - end);
  return file.write(zeros, static_cast<int64_t>(end));
}

Error DataFile::complete(size_t index,
                         std::vector<CompressionOutcome> &outcomes,
                         llvm::function_ref<Error()> make) {
  const Entry &entry = entries[index];
  auto isDone = takeOver(entry, outcomes);
  if (!isDone)
    return isDone.takeError();
  if (*isDone)
    return Error::success();
  outcomes.clear();
  if (Error error = make())
    return error;
  return finish(entry, outcomes);
}

Error DataFile::finish(const Entry &entry,
                       ArrayRef<CompressionOutcome> outcomes) {
  Journal::Tensor tensor;
  tensor.offset = static_cast<int64_t>(entry.begin);
  tensor.bytes = countBytes(entry);
  auto hash = file.hash(tensor.offset, tensor.bytes);
  if (!hash)
    return hash.takeError();
  tensor.hash = *hash;
  for (auto [i, name] : llvm::enumerate(entry.names)) {
    if (!outcomes.empty())
      tensor.outcome = outcomes[i];
    if (Error error = file.finish(name, tensor, !outcomes.empty()))
      return error;
  }
  return Error::success();
}

llvm::Expected<bool>
DataFile::takeOver(const Entry &entry,
                   std::vector<CompressionOutcome> &outcomes) {
  int64_t offset = static_cast<int64_t>(entry.begin), bytes = countBytes(entry);
  const Journal::Tensor *first = nullptr;
  outcomes.clear();
  for (const std::string &name : entry.names) {
    const Journal::Tensor *claim = file.findClaim(name, offset, bytes);
    if (!claim || (first && claim->hash != first->hash))
      return false;
    first = claim;
    outcomes.push_back(claim->outcome);
  }
  auto fits = file.check(*first);
  if (fits && *fits) {
    reusedTensors += static_cast<int64_t>(entry.names.size());
    reusedBytes += bytes;
  }
  return fits;
}

ExportedTensors DataFile::count() const {
  ExportedTensors all;
  for (const Entry &entry : entries)
    all.tensors += static_cast<int64_t>(entry.names.size());
  all.bytes = static_cast<int64_t>(size);
  all.reusedTensors = reusedTensors;
  all.reusedBytes = reusedBytes;
  return all;
}
