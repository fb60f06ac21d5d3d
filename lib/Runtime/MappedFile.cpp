//===- MappedFile.cpp - A file, mapped for reading ------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/MappedFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llmc;

MappedFile::~MappedFile() {
  if (length)
    munmap(const_cast<uint8_t *>(begin), length);
}

Fault MappedFile::open(const std::string &path, MappedFile &out) {
  auto failed = [&](int code) {
    std::string text = "cannot read '" + path + "': " + strerror(code);
    bool missing = code == ENOENT || code == ENOTDIR || code == EACCES ||
                   code == ELOOP || code == ENAMETOOLONG;
    return missing ? Fault::input(text) : Fault::machine(text);
  };
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return failed(errno);
  struct stat status;
  if (fstat(fd, &status)) {
    int code = errno;
    close(fd);
    return failed(code);
  }
  if (!S_ISREG(status.st_mode)) {
    close(fd);
    return Fault::input("'" + path + "' is not a regular file");
  }
  MappedFile file;
  if (status.st_size > 0) {
    void *map = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
      int code = errno;
      close(fd);
      return failed(code);
    }
    file.begin = static_cast<const uint8_t *>(map);
    file.length = status.st_size;
  }
  close(fd);
  out = std::move(file);
  return {};
}

void MappedFile::willNeed() const {
  if (!length)
    return;
  void *memory = const_cast<uint8_t *>(begin);
#ifdef MADV_HUGEPAGE
  // What is not in memory yet is then read into huge pages, on file systems
  // that have them.
  madvise(memory, length, MADV_HUGEPAGE); // a wish
#endif
  madvise(memory, length, MADV_WILLNEED); // another
}
