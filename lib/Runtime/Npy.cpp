//===- Npy.cpp - NumPy's array files --------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The format: the six bytes "\x93NUMPY", a version, the length of a header, the
// header (a Python dictionary of three known keys), the data. Only the text of
// these three keys is accepted, not Python.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Npy.h"
#include "llmc/Runtime/Manifest.h"
#include "llmc/Runtime/MappedFile.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace llmc;
using llvm::StringRef;

static constexpr struct {
  llmc_dtype dtype;
  const char *descr;
} kDescrs[] = {
    {LLMC_F32, "<f4"},  {LLMC_F16, "<f2"},  {LLMC_F64, "<f8"},
    {LLMC_I8, "|i1"},   {LLMC_I16, "<i2"},  {LLMC_I32, "<i4"},
    {LLMC_I64, "<i8"},  {LLMC_U8, "|u1"},   {LLMC_U16, "<u2"},
    {LLMC_U32, "<u4"},  {LLMC_U64, "<u8"},  {LLMC_BOOL, "|b1"},
    {LLMC_I8, "<i1"},   {LLMC_U8, "<u1"},   {LLMC_BOOL, "<b1"},
    {LLMC_BF16, "|V2"}, {LLMC_BF16, "<V2"},
};

namespace {

/// Reads the dictionary of the header from left to right.
class HeaderReader {
public:
  explicit HeaderReader(StringRef text) : rest(text) {}

  bool take(char c) {
    rest = rest.ltrim(" \t\n\r");
    if (rest.empty() || rest.front() != c)
      return false;
    rest = rest.drop_front();
    return true;
  }

  bool quoted(StringRef &out) {
    rest = rest.ltrim(" \t\n\r");
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"'))
      return false;
    size_t end = rest.find(rest.front(), 1);
    if (end == StringRef::npos)
      return false;
    out = rest.substr(1, end - 1);
    rest = rest.substr(end + 1);
    return true;
  }

  bool word(StringRef text) {
    rest = rest.ltrim(" \t\n\r");
    return rest.consume_front(text);
  }

  bool number(int64_t &value) {
    rest = rest.ltrim(" \t\n\r");
    uint64_t parsed;
    if (rest.consumeInteger(10, parsed) || parsed > INT64_MAX)
      return false;
    rest.consume_front("L");
    value = parsed;
    return true;
  }

  /// (), (3,), (3, 4)
  bool tuple(std::vector<int64_t> &values) {
    if (!take('('))
      return false;
    while (!take(')')) {
      int64_t value;
      if (values.size() == 64 || !number(value))
        return false;
      values.push_back(value);
      if (!take(',')) {
        // (3) is a number in Python, not a tuple.
        return values.size() > 1 && take(')');
      }
    }
    return true;
  }

  bool atEnd() { return rest.trim(" \t\n\r").empty(); }

private:
  StringRef rest;
};

} // namespace

static Fault parseHeader(StringRef text, Array &out) {
  HeaderReader in(text);
  bool descr = false, order = false, shape = false, fortran = false;
  bool good = in.take('{');
  while (good && !in.take('}')) {
    StringRef key;
    good = in.quoted(key) && in.take(':');
    if (!good)
      break;
    if (key == "descr" && !descr) {
      StringRef name;
      if (!in.quoted(name))
        return Fault::input("the elements are records, expected numbers");
      for (auto &known : kDescrs)
        if (!descr && name == known.descr) {
          out.dtype = known.dtype;
          descr = true;
        }
      if (!descr)
        return Fault::input(
            "expected numbers or booleans in little-endian order but got the "
            "dtype '" +
            name.str() + "'");
    } else if (key == "fortran_order" && !order) {
      order = true;
      fortran = in.word("True");
      good = fortran || in.word("False");
    } else if (key == "shape" && !shape) {
      shape = true;
      good = in.tuple(out.extents);
    } else {
      good = false;
    }
    if (good && !in.take(',')) {
      good = in.take('}');
      break;
    }
  }
  if (!good || !descr || !order || !shape || !in.atEnd())
    return Fault::input("the header is not one NumPy writes");
  if (fortran && out.extents.size() > 1)
    return Fault::input("expected an array in C order but got Fortran order; "
                        "save numpy.ascontiguousarray of it");
  return {};
}

Fault llmc::parseNpy(llvm::ArrayRef<uint8_t> file, Array &out) {
  if (file.size() < 10 || memcmp(file.data(), "\x93NUMPY", 6))
    return Fault::input("it is not an npy file");
  unsigned major = file[6];
  if (major < 1 || major > 3)
    return Fault::input("expected npy version 1 to 3 but got " +
                        std::to_string(major));
  uint64_t start = major == 1 ? 10 : 12;
  if (file.size() < start)
    return Fault::input("the file ends in its header");
  uint64_t length = major == 1
                        ? llvm::support::endian::read16le(file.data() + 8)
                        : llvm::support::endian::read32le(file.data() + 8);
  if (length > file.size() - start || length > 65536)
    return Fault::input("the header claims " + std::to_string(length) +
                        " bytes but the file has " +
                        std::to_string(file.size()));
  Array array;
  StringRef text(reinterpret_cast<const char *>(file.data()) + start, length);
  if (Fault fault = parseHeader(text, array))
    return fault;
  llvm::ArrayRef<uint8_t> data = file.drop_front(start + length);
  uint64_t bytes;
  if (!tensorBytes(array.dtype, array.extents, bytes) || bytes != data.size())
    return Fault::input("the shape does not fit the " +
                        std::to_string(data.size()) + " bytes of data");
  array.bytes.assign(data.begin(), data.end());
  if (array.dtype == LLMC_BOOL)
    for (uint8_t &byte : array.bytes)
      byte = byte != 0;
  out = std::move(array);
  return {};
}

std::vector<uint8_t> llmc::formatNpy(llmc_dtype dtype,
                                     llvm::ArrayRef<int64_t> extents,
                                     llvm::ArrayRef<uint8_t> bytes) {
  if (dtype == LLMC_BF16)
    dtype = LLMC_U16;
  std::string header = "{'descr': '";
  for (auto &known : kDescrs)
    if (known.dtype == dtype) {
      header += known.descr;
      break;
    }
  header += "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i != extents.size(); ++i)
    header += (i ? " " : "") + std::to_string(extents[i]) +
              (i + 1 != extents.size() || extents.size() == 1 ? "," : "");
  header += "), }";
  // The data begins at a multiple of 64 and the header ends in a line break.
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::vector<uint8_t> file = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  file.push_back(header.size() & 255);
  file.push_back(header.size() >> 8);
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), bytes.begin(), bytes.end());
  return file;
}

/// Writes `bytes` to `path` by way of a temporary file beside it.
static Fault writeWhole(const std::string &path,
                        llvm::ArrayRef<uint8_t> bytes) {
  std::string temporary = path + ".tmp" + std::to_string(getpid());
  auto failed = [&] {
    int code = errno;
    unlink(temporary.c_str());
    std::string text = "cannot write '" + path + "': " + strerror(code);
    bool name = code == ENOENT || code == ENOTDIR || code == EACCES ||
                code == ENAMETOOLONG || code == EISDIR;
    return name ? Fault::input(text) : Fault::machine(text);
  };
  int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return failed();
  size_t done = 0;
  while (done != bytes.size()) {
    ssize_t count = write(fd, bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      Fault fault = failed();
      close(fd);
      return fault;
    }
    done += count;
  }
  if (close(fd) || rename(temporary.c_str(), path.c_str()))
    return failed();
  return {};
}

Fault llmc::readNpy(const std::string &path, Array &out) {
  MappedFile file;
  if (Fault fault = MappedFile::open(path, file))
    return fault;
  Fault fault = parseNpy({file.data(), file.size()}, out);
  if (fault)
    fault.text = "'" + path + "': " + fault.text;
  return fault;
}

Fault llmc::writeNpy(const std::string &path, llmc_dtype dtype,
                     llvm::ArrayRef<int64_t> extents,
                     llvm::ArrayRef<uint8_t> bytes) {
  return writeWhole(path, formatNpy(dtype, extents, bytes));
}

namespace llmc {
/// In Npz.cpp.
std::vector<uint8_t> formatNpz(llvm::ArrayRef<NamedArray> arrays);
} // namespace llmc

Fault llmc::readNpz(const std::string &path, std::vector<NamedArray> &out) {
  MappedFile file;
  if (Fault fault = MappedFile::open(path, file))
    return fault;
  Fault fault = parseNpz({file.data(), file.size()}, out);
  if (fault)
    fault.text = "'" + path + "': " + fault.text;
  return fault;
}

Fault llmc::writeNpz(const std::string &path,
                     llvm::ArrayRef<NamedArray> arrays) {
  return writeWhole(path, formatNpz(arrays));
}
