//===- FileMap.cpp - Files mapped read-only -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A foreign path is walked one component at a time with openat and O_NOFOLLOW,
// so that no link can lead outside between the check and the use.
//
//===----------------------------------------------------------------------===//
#include "llmc/Weights/FileMap.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;

static Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

static Error systemFault(StringRef path, int code) {
  return fault("cannot open '" + path + "': " + sys::StrError(code));
}

Expected<std::unique_ptr<FileMap>> FileMap::map(int file, std::string name,
                                                bool foreign) {
  struct stat info;
  if (fstat(file, &info)) {
    int code = errno;
    close(file);
    return systemFault(name, code);
  }
  if (!S_ISREG(info.st_mode)) {
    close(file);
    return fault("expected '" + name + "' to be a regular file");
  }
  if (foreign && info.st_nlink != 1) {
    close(file);
    return fault("expected external data '" + name +
                 "' to have one name but it is a hard link");
  }
  size_t size = static_cast<size_t>(info.st_size);
  void *data = nullptr;
  if (size) {
    data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED) {
      int code = errno;
      close(file);
      return fault("cannot map '" + name + "': " + sys::StrError(code));
    }
  }
  close(file);
  std::string stamp = (Twine(info.st_size) + " " + Twine(info.st_mtim.tv_sec) +
                       "." + Twine(info.st_mtim.tv_nsec) + " " +
                       Twine(info.st_ino) + " " + Twine(info.st_dev))
                          .str();
  return std::unique_ptr<FileMap>(new FileMap(std::move(name), std::move(stamp),
                                              static_cast<const char *>(data),
                                              size));
}

FileMap::~FileMap() {
  if (size)
    munmap(const_cast<char *>(data), size);
}

Expected<std::unique_ptr<FileMap>> FileMap::open(StringRef path) {
  std::string name = path.str();
  // Without O_NONBLOCK, opening a pipe would wait for its other end.
  int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0)
    return systemFault(path, errno);
  return map(file, std::move(name), /*foreign=*/false);
}

Expected<std::unique_ptr<FileMap>> FileMap::openBeneath(StringRef folder,
                                                        StringRef relative) {
  auto refuse = [&](const Twine &what) {
    std::string shown;
    raw_string_ostream stream(shown);
    printEscapedString(relative.take_front(200), stream);
    return fault("expected external data inside the folder of the model but "
                 "got '" +
                 shown + "': " + what);
  };
  if (relative.empty())
    return refuse("the path is empty");
  if (relative.contains('\0'))
    return refuse("the path holds a zero byte");
  if (relative.starts_with("/"))
    return refuse("the path is absolute");
  SmallVector<StringRef> parts;
  relative.split(parts, '/');
  if (is_contained(parts, ".."))
    return refuse("the path has a component '..'");
  int here = ::open(folder.empty() ? "." : folder.str().c_str(),
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (here < 0)
    return systemFault(folder, errno);
  std::string name = folder.str();
  for (auto [i, part] : enumerate(parts)) {
    bool last = i + 1 == parts.size();
    if (part == "." && !last)
      continue;
    if (part.empty() || part == ".") {
      close(here);
      return refuse("the path has an empty component");
    }
    if (!name.empty() && name.back() != '/')
      name += '/';
    name += part;
    int next = openat(here, part.str().c_str(),
                      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
                          (last ? 0 : O_DIRECTORY));
    int code = errno;
    close(here);
    if (next < 0) {
      // A link is ELOOP, or ENOTDIR where a folder was wanted.
      if (code == ELOOP)
        return refuse("'" + part + "' is a symbolic link");
      return systemFault(name, code);
    }
    here = next;
  }
  return map(here, std::move(name), /*foreign=*/true);
}
