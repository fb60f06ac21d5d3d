//===- NpyTest.cpp - NumPy's files, good and hostile ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Npy.h"
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>
#include <zlib.h>

using namespace llmc;

static std::vector<uint8_t> bytesOf(const std::string &text) {
  return {text.begin(), text.end()};
}

/// An npy file with that header and so many bytes of data.
static std::vector<uint8_t> npy(const std::string &header, size_t data,
                                char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1)
    file.append(2, '\0');
  file += header;
  for (size_t i = 0; i != data; ++i)
    file += static_cast<char>(i + 1);
  return bytesOf(file);
}

static std::string errorOf(const std::vector<uint8_t> &file) {
  Array array;
  return parseNpy(file, array).text;
}

TEST(Npy, ReadsWhatNumPyWrites) {
  Array array;
  for (char version : {1, 2, 3}) {
    ASSERT_FALSE(parseNpy(npy("{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (2, 3), }          \n",
                              24, version),
                          array));
    EXPECT_EQ(array.dtype, LLMC_F32);
    EXPECT_EQ(array.extents, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(array.bytes[23], 24);
  }
  ASSERT_FALSE(parseNpy(
      npy("{'descr': '|b1', 'fortran_order': True, 'shape': (3,), }\n", 3),
      array));
  EXPECT_EQ(array.dtype, LLMC_BOOL);
  EXPECT_EQ(array.bytes, (std::vector<uint8_t>{1, 1, 1}));
  ASSERT_FALSE(parseNpy(
      npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n", 8),
      array));
  EXPECT_TRUE(array.extents.empty());
  ASSERT_FALSE(parseNpy(
      npy("{\"shape\": (0, 5), \"fortran_order\": False, \"descr\": \"<f8\"}",
          0),
      array));
  EXPECT_TRUE(array.bytes.empty());
}

TEST(Npy, WritesWhatItReads) {
  for (llmc_dtype dtype :
       {LLMC_F32, LLMC_F16, LLMC_F64, LLMC_I8, LLMC_I16, LLMC_I32, LLMC_I64,
        LLMC_U8, LLMC_U16, LLMC_U32, LLMC_U64, LLMC_BOOL})
    for (std::vector<int64_t> extents :
         {std::vector<int64_t>{}, {1}, {1, 1}, {1, 1, 1, 1, 1, 1}}) {
      std::vector<uint8_t> value = {1, 0, 0, 0, 0, 0, 0, 0};
      size_t size =
          dtype == LLMC_F64 || dtype == LLMC_I64 || dtype == LLMC_U64   ? 8
          : dtype == LLMC_F32 || dtype == LLMC_I32 || dtype == LLMC_U32 ? 4
          : dtype == LLMC_F16 || dtype == LLMC_I16 || dtype == LLMC_U16 ? 2
                                                                        : 1;
      value.resize(size);
      std::vector<uint8_t> file = formatNpy(dtype, extents, value);
      EXPECT_EQ((file.size() - size) % 64, 0u);
      Array array;
      Fault fault = parseNpy(file, array);
      ASSERT_FALSE(fault) << fault.text;
      EXPECT_EQ(array.dtype, dtype);
      EXPECT_EQ(array.extents, extents);
      EXPECT_EQ(array.bytes, value);
    }
}

TEST(Npy, RefusesHostileHeaders) {
  const std::string good =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
  EXPECT_EQ(errorOf(npy(good, 8)), "");
  EXPECT_EQ(errorOf({}), "it is not an npy file");
  EXPECT_EQ(errorOf(bytesOf("\x93NUMPX0000000000")), "it is not an npy file");
  EXPECT_EQ(errorOf(npy(good, 8, 9)), "expected npy version 1 to 3 but got 9");
  EXPECT_EQ(errorOf(npy(good, 7)),
            "the shape does not fit the 7 bytes of data");
  EXPECT_EQ(errorOf(npy(good, 9)),
            "the shape does not fit the 9 bytes of data");
  std::vector<uint8_t> cut = npy(good, 8);
  cut[8] = 255;
  EXPECT_EQ(errorOf(cut).substr(0, 17), "the header claims");
  std::vector<uint8_t> big = npy(good, 8, 2);
  big[11] = 255;
  EXPECT_EQ(errorOf(big).substr(0, 17), "the header claims");
  const char *odd[] = {
      "",
      "{",
      "{}",
      "{'descr': '<f4'}",
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
      "{'fortran_order': False, 'shape': (9999999999999999999,)}",
      "{'descr': '<f4', 'shape': (9999999999999999999,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': ()} x",
      "{'descr: '<f4', 'fortran_order': False, 'shape': ()}",
      "{'descr': __import__('os'), 'fortran_order': False, 'shape': ()}",
  };
  for (const char *header : odd)
    EXPECT_NE(errorOf(npy(header, 4)), "") << header;
  // Products that overflow.
  EXPECT_EQ(errorOf(npy("{'descr': '<f4', 'fortran_order': False, 'shape': "
                        "(4611686018427387904, 4), }",
                        0)),
            "the shape does not fit the 0 bytes of data");
  EXPECT_NE(errorOf(npy("{'descr': '>f4', 'fortran_order': False, 'shape': "
                        "(1,), }",
                        4))
                .find("little-endian order but got the dtype '>f4'"),
            std::string::npos);
  EXPECT_NE(errorOf(npy("{'descr': '<f4', 'fortran_order': True, 'shape': "
                        "(1, 1), }",
                        4))
                .find("Fortran order"),
            std::string::npos);
}

//===----------------------------------------------------------------------===//
// npz
//===----------------------------------------------------------------------===//

static std::string errorOfNpz(const std::vector<uint8_t> &file) {
  std::vector<NamedArray> arrays;
  return parseNpz(file, arrays).text;
}

/// Two arrays in a file, by way of the disk.
static std::vector<uint8_t> twoArrays() {
  std::string path = testing::TempDir() + "/llmc-npz-test.npz";
  Array a{LLMC_F32, {2}, {1, 2, 3, 4, 5, 6, 7, 8}}, b{LLMC_U8, {}, {9}};
  NamedArray arrays[] = {{"a", a}, {"b", b}};
  EXPECT_FALSE(writeNpz(path, arrays));
  std::vector<uint8_t> file(100000);
  FILE *stream = fopen(path.c_str(), "rb");
  file.resize(fread(file.data(), 1, file.size(), stream));
  fclose(stream);
  unlink(path.c_str());
  return file;
}

TEST(Npz, WritesWhatItReads) {
  std::vector<NamedArray> arrays;
  Fault fault = parseNpz(twoArrays(), arrays);
  ASSERT_FALSE(fault) << fault.text;
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].first, "a");
  EXPECT_EQ(arrays[0].second.bytes,
            (std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(arrays[1].first, "b");
  EXPECT_EQ(arrays[1].second.dtype, LLMC_U8);
}

/// A zip file with one deflated member, without the extension.
static std::vector<uint8_t> deflated(const std::vector<uint8_t> &content,
                                     uint32_t claimed) {
  std::vector<uint8_t> packed(compressBound(content.size()) + 64);
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = const_cast<uint8_t *>(content.data());
  stream.avail_in = content.size();
  stream.next_out = packed.data();
  stream.avail_out = packed.size();
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  std::vector<uint8_t> file;
  auto put = [&](uint64_t value, unsigned count) {
    for (unsigned i = 0; i != count; ++i, value >>= 8)
      file.push_back(value & 255);
  };
  uint32_t checksum = crc32(0, content.data(), content.size());
  auto common = [&] {
    put(20, 2), put(0, 2), put(8, 2), put(0, 4), put(checksum, 4);
    put(packed.size(), 4), put(claimed, 4), put(5, 2), put(0, 2);
  };
  put(0x04034b50, 4), common();
  for (char c : std::string("x.npy"))
    put(c, 1);
  file.insert(file.end(), packed.begin(), packed.end());
  size_t directory = file.size();
  put(0x02014b50, 4), put(20, 2), common();
  put(0, 2), put(0, 2), put(0, 2), put(0, 4), put(0, 4);
  for (char c : std::string("x.npy"))
    put(c, 1);
  size_t size = file.size() - directory;
  put(0x06054b50, 4), put(0, 4), put(1, 2), put(1, 2), put(size, 4);
  put(directory, 4), put(0, 2);
  return file;
}

TEST(Npz, ReadsDeflatedMembers) {
  std::vector<uint8_t> values(4000, 7);
  std::vector<uint8_t> content = formatNpy(LLMC_U8, {4000}, values);
  std::vector<NamedArray> arrays;
  Fault fault = parseNpz(deflated(content, content.size()), arrays);
  ASSERT_FALSE(fault) << fault.text;
  EXPECT_EQ(arrays[0].second.bytes, values);
  for (uint32_t claimed : {0u, 1u, 4000u, 4129u, 100000u, 0xfffffff0u})
    EXPECT_NE(errorOfNpz(deflated(content, claimed)), "") << claimed;
}

TEST(Npz, SurvivesEveryCutAndChange) {
  const std::vector<uint8_t> whole = twoArrays();
  ASSERT_EQ(errorOfNpz(whole), "");
  for (size_t length = 0; length != whole.size(); ++length) {
    // An exact allocation, so that a sanitizer sees any read beyond it.
    std::vector<uint8_t> cut(whole.begin(), whole.begin() + length);
    EXPECT_NE(errorOfNpz(cut), "") << length;
  }
  size_t refused = 0;
  for (size_t at = 0; at != whole.size(); ++at)
    for (uint8_t value :
         {uint8_t(0), uint8_t(0x7f), uint8_t(0xff), uint8_t(whole[at] ^ 1)}) {
      std::vector<uint8_t> changed = whole;
      changed[at] = value;
      refused += !errorOfNpz(changed).empty();
    }
  EXPECT_GT(refused, whole.size());
}
