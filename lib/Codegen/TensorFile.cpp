//===- TensorFile.cpp - A file whose tensors a journal knows --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/TensorFile.h"
#include "llmc/Weights/WeightStore.h"

#include <chrono>

using namespace llmc;
using llvm::Error;
using llvm::StringRef;

/// Bytes after which the disk is to have them, and pages of the model's files
/// are given back.
static constexpr int64_t kSyncBytes = 256 << 20;

TensorFile::~TensorFile() { llvm::consumeError(wait()); }

Error TensorFile::open(StringRef path, StringRef head, int64_t bytes) {
  start = static_cast<int64_t>(head.size());
  if (Error error = output.open(path, start + bytes))
    return error;
  return output.write({head.data(), head.size()}, 0);
}

const Journal::Tensor *TensorFile::findClaim(StringRef name, int64_t offset,
                                             int64_t bytes) const {
  const Journal::Tensor *known = journal.findTensor(name);
  bool fits = known && known->offset == offset && known->bytes == bytes;
  return fits ? known : nullptr;
}

llvm::Expected<bool> TensorFile::check(const Journal::Tensor &claim) const {
  auto found = hash(claim.offset, claim.bytes);
  if (!found)
    return found.takeError();
  return *found == claim.hash;
}

Error TensorFile::finish(StringRef name, const Journal::Tensor &tensor,
                         bool isWork) {
  journal.addTensor(name, tensor, isWork);
  std::lock_guard<std::mutex> guard(mutex);
  unsynced += tensor.bytes;
  using namespace std::chrono_literals;
  if (unsynced < kSyncBytes ||
      (syncing.valid() && syncing.wait_for(0s) != std::future_status::ready))
    return Error::success();
  unsynced = 0;
  store.dropPages();
  auto before = std::exchange(
      syncing,
      std::async(std::launch::async,
                 [this]() -> std::pair<std::string, std::error_code> {
                   // First what the lines speak of, then the lines.
                   std::pair<std::string, std::error_code> failure;
                   llvm::handleAllErrors(
                       output.sync(), [&](const llvm::ErrorInfoBase &info) {
                         failure = {info.message(), info.convertToErrorCode()};
                       });
                   journal.sync();
                   return failure;
                 }));
  if (!before.valid())
    return Error::success();
  auto [text, code] = before.get();
  return text.empty() ? Error::success() : llvm::createStringError(code, text);
}

Error TensorFile::wait() {
  std::lock_guard<std::mutex> guard(mutex);
  if (!syncing.valid())
    return Error::success();
  auto [text, code] = syncing.get();
  return text.empty() ? Error::success() : llvm::createStringError(code, text);
}
