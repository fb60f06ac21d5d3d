//===- OutputFile.cpp - A file of known size, written in pieces -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/OutputFile.h"
#include "llmc/Codegen/BundleFolder.h"
#include "llmc/Support/Hash.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llmc;

OutputFile::~OutputFile() {
  if (descriptor >= 0)
    ::close(descriptor);
}

/// A full disk is told with the need and what there is, and a limit on files
/// with the need.
llvm::Error OutputFile::fail(const llvm::Twine &what, int code) const {
  std::error_code error(code, std::generic_category());
  std::string need =
      "no space for '" + path + "': it needs " +
      llvm::formatv("{0:f1} MB", static_cast<double>(size) / 1e6).str();
  if (code == EFBIG)
    return llvm::createStringError(
        error, need +
                   ", and no file there may be so large: " + error.message() +
                   "; raise the limit (ulimit -f), or give another place with "
                   "-o");
  if (code != ENOSPC && code != EDQUOT)
    return fileError(what, path, error);
  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  std::string free;
  if (auto space = llvm::sys::fs::disk_space(folder))
    free = llvm::formatv(" and {0:f1} MB are free",
                         static_cast<double>(space->available) / 1e6);
  return llvm::createStringError(
      error, need + " in its folder" + free + ": " + error.message() +
                 "; make room there, or give another place with -o");
}

llvm::Error OutputFile::open(llvm::StringRef name, int64_t bytes) {
  path = name.str();
  size = bytes;
  descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return fail("cannot create", errno);
  struct stat status;
  if (::fstat(descriptor, &status))
    return fail("cannot read", errno);
  int code = 0;
  if (status.st_size != size && ::ftruncate(descriptor, 0))
    code = errno;
  if (!code)
    code = ::posix_fallocate(descriptor, 0, size);
  if (!code)
    return llvm::Error::success();
  llvm::Error error = fail("no space for", code);
  ::unlink(path.c_str());
  return error;
}

llvm::Error OutputFile::write(llvm::ArrayRef<char> bytes,
                              int64_t offset) const {
  while (!bytes.empty()) {
    ssize_t count = ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return fail("cannot write", errno);
    bytes = bytes.drop_front(count);
    offset += count;
  }
  return llvm::Error::success();
}

llvm::Expected<std::string> OutputFile::hash(int64_t offset,
                                             int64_t bytes) const {
  if (!bytes)
    return hashText(nullptr, 0);
  int64_t page = ::sysconf(_SC_PAGESIZE), before = offset % page;
  void *base = ::mmap(nullptr, before + bytes, PROT_READ, MAP_SHARED,
                      descriptor, offset - before);
  if (base == MAP_FAILED)
    return fail("cannot map", errno);
  std::string text = hashText(static_cast<char *>(base) + before, bytes);
  ::munmap(base, before + bytes);
  return text;
}

llvm::Error OutputFile::sync() const {
  if (::fdatasync(descriptor))
    return fail("cannot write", errno);
  return llvm::Error::success();
}
