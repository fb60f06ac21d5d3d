//===- MappedFile.h - A file, mapped for reading --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_MAPPEDFILE_H
#define LLMC_RUNTIME_MAPPEDFILE_H

#include "llmc/Support/Fault.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace llmc {

/// A regular file mapped read-only; unmapped with the object.
class MappedFile {
public:
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept { swap(other); }
  MappedFile &operator=(MappedFile &&other) noexcept {
    swap(other);
    return *this;
  }
  ~MappedFile();

  /// Maps the file at `path`; folders, pipes and devices are refused.
  static Fault open(const std::string &path, MappedFile &out);

  const uint8_t *data() const { return begin; }
  uint64_t size() const { return length; }
  llvm::StringRef text() const {
    return {reinterpret_cast<const char *>(begin), length};
  }
  /// Tells the system that all of it will be read soon.
  void willNeed() const;

private:
  void swap(MappedFile &other) {
    std::swap(begin, other.begin);
    std::swap(length, other.length);
  }
  const uint8_t *begin = nullptr;
  uint64_t length = 0;
};

} // namespace llmc

#endif // LLMC_RUNTIME_MAPPEDFILE_H
