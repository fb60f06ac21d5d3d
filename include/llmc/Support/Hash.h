//===- Hash.h - The hash of files and tensors -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// XXH3-128 in its canonical text: 32 lower-case hexadecimal digits, high half
// first. Header only, because the compiler and the runtime link different
// copies of LLVM's Support.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_HASH_H
#define LLMC_SUPPORT_HASH_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/xxhash.h"
#include <string>

namespace llmc {

/// The canonical text of the XXH3-128 of `size` bytes at `data`.
inline std::string hashText(const void *data, size_t size) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(
      llvm::ArrayRef(static_cast<const uint8_t *>(data), size));
  std::string text(32, '0');
  uint64_t halves[2] = {hash.high64, hash.low64};
  for (unsigned i = 0; i != 32; ++i)
    text[i] = "0123456789abcdef"[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
  return text;
}

/// The hash of a text that holds this very hash at `at`: its 32 digits count as
/// zeros.
inline std::string sealText(llvm::StringRef text, size_t at) {
  std::string zeroed = text.str();
  zeroed.replace(at, 32, 32, '0');
  return hashText(zeroed.data(), zeroed.size());
}

} // namespace llmc

#endif // LLMC_SUPPORT_HASH_H
