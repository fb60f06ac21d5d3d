//===- Shim.h - From the Rust library's results to llvm::Expected ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Private to lib/Text.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_TEXT_SHIM_H
#define LLMC_LIB_TEXT_SHIM_H

#include "llmc_text.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace llmc {

inline const uint8_t *bytesOf(llvm::StringRef text) {
  return reinterpret_cast<const uint8_t *>(text.data());
}

/// Copies `bytes` and frees them.
inline std::string take(llmc_text_bytes bytes) {
  std::string text(reinterpret_cast<const char *>(bytes.data), bytes.size);
  llmc_text_bytes_free(bytes);
  return text;
}

/// Success if `error` has no text; frees it.
inline llvm::Error toError(llmc_text_bytes error) {
  if (!error.data)
    return llvm::Error::success();
  return llvm::createStringError(llvm::inconvertibleErrorCode(), take(error));
}

} // namespace llmc

#endif // LLMC_LIB_TEXT_SHIM_H
