//===- Journal.cpp - What an unfinished output holds already --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/Journal.h"
#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Support/Hash.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace llmc;
namespace json = llvm::json;
using llvm::StringRef;

/// Digits of a hash.
static constexpr size_t kHashDigits = 32;

static std::string makeLine(json::Object object) {
  std::string text;
  llvm::raw_string_ostream(text) << json::Value(std::move(object));
  return hashText(text.data(), text.size()) + " " + text + "\n";
}

/// The object of a line; empty where the line is not whole.
static std::optional<json::Object> readLine(StringRef line) {
  StringRef hash = line.take_front(kHashDigits),
            text = line.drop_front(hash.size());
  if (!text.consume_front(" ") || hash != hashText(text.data(), text.size()))
    return std::nullopt;
  auto value = json::parse(text);
  if (!value) {
    llvm::consumeError(value.takeError());
    return std::nullopt;
  }
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return std::nullopt;
}

/// Writes all of it, at the end of the file.
static bool writeAll(int descriptor, StringRef text) {
  while (!text.empty()) {
    ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return false;
    text = text.drop_front(count);
  }
  return true;
}

llvm::Expected<bool> Journal::open(StringRef path, StringRef key) {
  close();
  std::string name = path.str();
  std::string first = makeLine(json::Object{{"run", key}});
  int64_t good = 0;
  if (auto buffer =
          llvm::MemoryBuffer::getFile(name, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false,
                                      /*IsVolatile=*/true)) {
    StringRef text = (*buffer)->getBuffer();
    bool sameRun = text.starts_with(first);
    size_t at = first.size();
    for (size_t end; sameRun && (end = text.find('\n', at)) != StringRef::npos;
         at = end + 1) {
      auto object = readLine(text.slice(at, end));
      if (!object)
        break;
      take(*object);
    }
    good = sameRun ? static_cast<int64_t>(at) : 0;
  }
  descriptor =
      ::open(name.c_str(),
             O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
  std::error_code code(errno, std::generic_category());
  if (descriptor < 0)
    return fileError("cannot create", path, code);
  // What follows the last whole line was being written when the run ended.
  if (::ftruncate(descriptor, good) ||
      (!good && !writeAll(descriptor, first))) {
    code = std::error_code(errno, std::generic_category());
    close();
    return fileError("cannot write", path, code);
  }
  return good > 0;
}

void Journal::close() {
  if (descriptor >= 0)
    ::close(descriptor);
  descriptor = -1;
  work = false;
  tensors.clear();
  scales.clear();
}

void Journal::take(const json::Object &object) {
  auto name = object.getString("tensor");
  if (name) {
    Tensor tensor;
    tensor.offset = object.getInteger("offset").value_or(-1);
    tensor.bytes = object.getInteger("bytes").value_or(-1);
    tensor.hash = object.getString("xxh3").value_or("").str();
    tensor.outcome.relativeError = object.getNumber("error").value_or(0);
    tensor.outcome.seconds = object.getNumber("seconds").value_or(0);
    tensor.outcome.note = object.getString("note").value_or("").str();
    tensor.outcome.method = object.getString("method").value_or("").str();
    tensors[*name] = std::move(tensor);
    work = work || object.getBoolean("work").value_or(false);
    return;
  }
  name = object.getString("scale");
  std::string bytes;
  if (!name ||
      !llvm::tryGetFromHex(object.getString("factors").value_or("?"), bytes) ||
      bytes.size() % sizeof(float))
    return;
  ColumnScale &scale = scales[*name];
  scale.factors.resize(bytes.size() / sizeof(float));
  std::memcpy(scale.factors.data(), bytes.data(), bytes.size());
  scale.note = object.getString("note").value_or("").str();
  work = true;
}

const Journal::Tensor *Journal::findTensor(StringRef name) const {
  auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

const ColumnScale *Journal::findScale(StringRef name) const {
  auto found = scales.find(name);
  return found == scales.end() ? nullptr : &found->second;
}

void Journal::append(json::Object object, bool isWork) {
  std::string line = makeLine(std::move(object));
  std::lock_guard<std::mutex> guard(mutex);
  if (descriptor < 0)
    return;
  if (writeAll(descriptor, line)) {
    work = work || isWork;
    return;
  }
  // Half a line may stand there now: nothing can follow it.
  ::close(descriptor);
  descriptor = -1;
}

void Journal::addTensor(StringRef name, const Tensor &tensor, bool isWork) {
  const CompressionOutcome &outcome = tensor.outcome;
  json::Object object{{"tensor", name},
                      {"offset", tensor.offset},
                      {"bytes", tensor.bytes},
                      {"xxh3", tensor.hash}};
  if (isWork) {
    object["work"] = true;
    object["error"] = outcome.relativeError;
    object["seconds"] = outcome.seconds;
  }
  if (!outcome.note.empty())
    object["note"] = outcome.note;
  if (!outcome.method.empty())
    object["method"] = outcome.method;
  append(std::move(object), isWork);
}

void Journal::addScale(StringRef name, const ColumnScale &scale) {
  StringRef bytes(reinterpret_cast<const char *>(scale.factors.data()),
                  scale.factors.size() * sizeof(float));
  json::Object object{{"scale", name}, {"factors", llvm::toHex(bytes)}};
  if (!scale.note.empty())
    object["note"] = scale.note;
  append(std::move(object), true);
}

void Journal::sync() {
  // A copy of the descriptor: lines may be added meanwhile.
  int copy = -1;
  {
    std::lock_guard<std::mutex> guard(mutex);
    if (descriptor >= 0)
      copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  }
  if (copy < 0)
    return;
  (void)::fdatasync(copy);
  ::close(copy);
}
