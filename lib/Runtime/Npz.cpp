//===- Npz.cpp - Several arrays in one file -------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// An npz file is a zip archive of npy files. The reader trusts the central
// directory alone, takes from a local header only where its data begins, and
// checks the checksum; the extension for large files is read, since NumPy
// writes it. The writer stores without compression and stays below 4 GiB per
// array, else it says zip64 as NumPy does.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Npy.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Endian.h"
#include <algorithm>
#include <zlib.h>

using namespace llmc;
using namespace llvm::support::endian;
using llvm::ArrayRef;
using llvm::StringRef;

static constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50,
                          kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                          kLocator64 = 0x07064b50;
/// Deflate cannot expand further than this.
static constexpr uint64_t kMaxRatio = 1032;
/// Largest array we take, in bytes.
static constexpr uint64_t kMemberLimit = UINT64_C(1) << 33;

namespace {
/// One member as the central directory tells.
struct Member {
  std::string name;
  unsigned method = 0;
  uint32_t checksum = 0;
  uint64_t packed = 0, size = 0, offset = 0;
};
} // namespace

/// The member at `at` of the directory; moves `at` behind it.
static Fault readMember(ArrayRef<uint8_t> file, uint64_t &at, Member &member) {
  auto cut = [] { return Fault::input("the directory of the file is cut"); };
  if (file.size() - at < 46)
    return cut();
  const uint8_t *p = file.data() + at;
  if (read32le(p) != kCentral)
    return cut();
  unsigned flags = read16le(p + 8);
  member.method = read16le(p + 10);
  member.checksum = read32le(p + 16);
  member.packed = read32le(p + 20);
  member.size = read32le(p + 24);
  uint64_t nameBytes = read16le(p + 28), extraBytes = read16le(p + 30),
           commentBytes = read16le(p + 32);
  member.offset = read32le(p + 42);
  if (file.size() - at - 46 < nameBytes + extraBytes + commentBytes)
    return cut();
  member.name.assign(reinterpret_cast<const char *>(p) + 46, nameBytes);
  if (flags & 1)
    return Fault::input("member '" + member.name + "' is encrypted");
  // The extension lists, in this order, the fields that are all ones.
  ArrayRef<uint8_t> extra(p + 46 + nameBytes, extraBytes);
  while (extra.size() >= 4) {
    unsigned id = read16le(extra.data()), bytes = read16le(extra.data() + 2);
    extra = extra.drop_front(4);
    if (bytes > extra.size())
      return cut();
    ArrayRef<uint8_t> field = extra.take_front(bytes);
    extra = extra.drop_front(bytes);
    if (id != 1)
      continue;
    for (uint64_t *value : {&member.size, &member.packed, &member.offset}) {
      if (*value != UINT32_MAX)
        continue;
      if (field.size() < 8)
        return cut();
      *value = read64le(field.data());
      field = field.drop_front(8);
    }
  }
  at += 46 + nameBytes + extraBytes + commentBytes;
  return {};
}

/// The uncompressed bytes of a member.
static Fault extract(ArrayRef<uint8_t> file, const Member &member,
                     std::vector<uint8_t> &out) {
  auto bad = [&](const std::string &what) {
    return Fault::input("member '" + member.name + "' " + what);
  };
  if (member.offset > file.size() || file.size() - member.offset < 30)
    return bad("lies outside of the file");
  const uint8_t *local = file.data() + member.offset;
  if (read32le(local) != kLocal)
    return bad("has no header");
  uint64_t start =
      member.offset + 30 + read16le(local + 26) + read16le(local + 28);
  if (start > file.size() || member.packed > file.size() - start)
    return bad("lies outside of the file");
  if (member.method == 0 && member.packed != member.size)
    return bad("has two different sizes");
  if (member.method != 0 && member.method != 8)
    return bad("uses compression method " + std::to_string(member.method) +
               ", expected 0 or 8");
  if (member.method == 8 && member.size / kMaxRatio > member.packed)
    return bad("claims a size that its data cannot have");
  if (member.size > kMemberLimit)
    return bad("has " + std::to_string(member.size) + " bytes, more than " +
               std::to_string(kMemberLimit));
  const uint8_t *data = file.data() + start;
  if (member.method == 0) {
    out.assign(data, data + member.size);
  } else {
    out.resize(member.size);
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      return Fault::machine("out of memory");
    uint64_t in = member.packed, room = member.size;
    stream.next_in = const_cast<Bytef *>(data);
    stream.next_out = out.data();
    int status = Z_OK;
    while (status == Z_OK) {
      // The counters of the library have 32 bits.
      uInt inNow = std::min<uint64_t>(in, UINT32_MAX);
      uInt outNow = std::min<uint64_t>(room, UINT32_MAX);
      stream.avail_in = inNow;
      stream.avail_out = outNow;
      status = inflate(&stream, Z_NO_FLUSH);
      in -= inNow - stream.avail_in;
      room -= outNow - stream.avail_out;
      if (status == Z_OK && inNow == stream.avail_in &&
          outNow == stream.avail_out)
        break;
    }
    inflateEnd(&stream);
    if (status != Z_STREAM_END || room)
      return bad("cannot be decompressed");
  }
  uLong checksum = crc32_z(0, out.data(), out.size());
  if (checksum != member.checksum)
    return bad("has a wrong checksum");
  return {};
}

Fault llmc::parseNpz(ArrayRef<uint8_t> file, std::vector<NamedArray> &out) {
  if (file.size() < 22)
    return Fault::input("it is not an npz file");
  // The end record is last, before a comment of at most 65,535 bytes.
  uint64_t end = file.size() - 22;
  uint64_t lowest = end > 65535 ? end - 65535 : 0;
  while (read32le(file.data() + end) != kEnd) {
    if (end == lowest)
      return Fault::input("it is not an npz file");
    --end;
  }
  uint64_t count = read16le(file.data() + end + 10);
  uint64_t at = read32le(file.data() + end + 16);
  if (count == UINT16_MAX || at == UINT32_MAX) {
    if (end < 20 || read32le(file.data() + end - 20) != kLocator64)
      return Fault::input("the directory of the file is cut");
    uint64_t record = read64le(file.data() + end - 12);
    if (record > file.size() || file.size() - record < 56 ||
        read32le(file.data() + record) != kEnd64)
      return Fault::input("the directory of the file is cut");
    count = read64le(file.data() + record + 32);
    at = read64le(file.data() + record + 48);
  }
  if (at > file.size())
    return Fault::input("the directory of the file is cut");
  std::vector<NamedArray> arrays;
  // Members may overlap in a hostile file; together they must not exceed what
  // the file could honestly hold.
  uint64_t budget = file.size() * kMaxRatio;
  for (uint64_t i = 0; i != count; ++i) {
    Member member;
    if (Fault fault = readMember(file, at, member))
      return fault;
    if (member.size > budget)
      return Fault::input("member '" + member.name +
                          "' claims a size that its data cannot have");
    budget -= member.size;
    std::vector<uint8_t> bytes;
    if (Fault fault = extract(file, member, bytes))
      return fault;
    StringRef name = member.name;
    name.consume_back(".npy");
    Array array;
    if (Fault fault = parseNpy(bytes, array)) {
      fault.text = "member '" + member.name + "': " + fault.text;
      return fault;
    }
    for (const NamedArray &other : arrays)
      if (other.first == name)
        return Fault::input("member '" + member.name + "' occurs twice");
    arrays.emplace_back(name.str(), std::move(array));
  }
  out = std::move(arrays);
  return {};
}

namespace {
/// Little-endian numbers behind each other.
struct Writer {
  std::vector<uint8_t> bytes;
  void put(uint64_t value, unsigned count) {
    for (unsigned i = 0; i != count; ++i, value >>= 8)
      bytes.push_back(value & 255);
  }
  void put(StringRef text) {
    bytes.insert(bytes.end(), text.bytes_begin(), text.bytes_end());
  }
};
} // namespace

namespace llmc {
std::vector<uint8_t> formatNpz(ArrayRef<NamedArray> arrays) {
  Writer out, directory;
  for (const auto &[name, array] : arrays) {
    std::vector<uint8_t> npy =
        formatNpy(array.dtype, array.extents, array.bytes);
    uint64_t offset = out.bytes.size();
    uint32_t checksum = crc32_z(0, npy.data(), npy.size());
    std::string file = name + ".npy";
    // Version 4.5 (zip64), UTF-8 names, stored, 1980-01-01: same bytes for the
    // same arrays.
    auto common = [&](Writer &to) {
      to.put(45, 2);
      to.put(0x800, 2);
      to.put(0, 2);
      to.put(0, 2);
      to.put(0x21, 2);
      to.put(checksum, 4);
      to.put(UINT32_MAX, 4);
      to.put(UINT32_MAX, 4);
      to.put(file.size(), 2);
    };
    out.put(kLocal, 4);
    common(out);
    out.put(20, 2);
    out.put(file);
    out.put(1, 2);
    out.put(16, 2);
    out.put(npy.size(), 8);
    out.put(npy.size(), 8);
    out.bytes.insert(out.bytes.end(), npy.begin(), npy.end());

    directory.put(kCentral, 4);
    directory.put(45, 2);
    common(directory);
    directory.put(28, 2);
    directory.put(0, 2 + 2 + 2 + 4);
    directory.put(UINT32_MAX, 4);
    directory.put(file);
    directory.put(1, 2);
    directory.put(24, 2);
    directory.put(npy.size(), 8);
    directory.put(npy.size(), 8);
    directory.put(offset, 8);
  }
  uint64_t start = out.bytes.size(), size = directory.bytes.size();
  out.bytes.insert(out.bytes.end(), directory.bytes.begin(),
                   directory.bytes.end());
  uint64_t record = out.bytes.size();
  out.put(kEnd64, 4);
  out.put(44, 8);
  out.put(45, 2);
  out.put(45, 2);
  out.put(0, 8);
  out.put(arrays.size(), 8);
  out.put(arrays.size(), 8);
  out.put(size, 8);
  out.put(start, 8);
  out.put(kLocator64, 4);
  out.put(0, 4);
  out.put(record, 8);
  out.put(1, 4);
  out.put(kEnd, 4);
  out.put(0, 4);
  out.put(UINT16_MAX, 2);
  out.put(UINT16_MAX, 2);
  out.put(UINT32_MAX, 4);
  out.put(UINT32_MAX, 4);
  out.put(0, 2);
  return std::move(out.bytes);
}
} // namespace llmc
