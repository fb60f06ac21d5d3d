//===- TableReader.h - Reads tables of plugins -----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What all parts of a plugin's table have in common. Memory that a plugin points
// to cannot be checked, but lengths and sizes are bounded, so that a table of
// another layout is refused by what it says of itself. Errors begin with `what`,
// the member of the table.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_TABLEREADER_H
#define LLMC_FORMATS_TABLEREADER_H

#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <string>

namespace llmc {

/// The longest word, in bytes, and the longest text.
constexpr size_t kLongestWord = 32, kLongestText = 400;

/// Checks the size that a struct says of itself: that of the interface where the
/// struct came up, or more.
llvm::Error checkSize(const llvm::Twine &what, size_t got, size_t wanted);

/// 1 to 32 of a-z, 0-9 and _, a letter first.
bool isWord(llvm::StringRef text);

/// Reads a text of at most `longest` bytes, without a look behind them. With
/// `lines`, it may have ends of lines and tabs.
llvm::Expected<std::string> readText(const llvm::Twine &what, const char *text,
                                     size_t longest = kLongestText,
                                     bool lines = false);
llvm::Expected<std::string> readWord(const llvm::Twine &what, const char *text);

/// Reads the name of a method or a format: VENDOR.WORD, or WORD without a vendor.
llvm::Expected<std::string> readName(const llvm::Twine &what, const char *text,
                                     llvm::StringRef vendor);

/// Checks what a plugin says of itself and returns the vendor; with no file, it
/// is that of llmc, and the vendor is empty.
llvm::Expected<std::string> readVendor(const llmc_plugin &plugin,
                                       llvm::StringRef file);

/// Whether `owner` has at most `most` of its options, methods ... (`noun` is one
/// of them), and an array of them if it has any.
llvm::Error checkArray(const llvm::Twine &owner, llvm::StringRef noun,
                       const void *array, size_t count, size_t most);

/// Element `index` of an array whose elements are of the size that the first one
/// says: at least `wanted`, and the same for all.
template <typename T>
llvm::Expected<const T *> readElement(const llvm::Twine &what, const T *array,
                                      size_t index, size_t wanted) {
  if (llvm::Error error = checkSize(what, array->size, wanted))
    return std::move(error);
  const T *each = reinterpret_cast<const T *>(
      reinterpret_cast<const char *>(array) + index * array->size);
  if (each->size == array->size)
    return each;
  return llvm::createStringError(what + ": expected the size of the first, " +
                                 llvm::Twine(array->size) + ", but got " +
                                 llvm::Twine(each->size));
}

} // namespace llmc

#endif // LLMC_FORMATS_TABLEREADER_H
