//===- TableReader.cpp - Reads tables of plugins --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/TableReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ConvertUTF.h"

#include <cstring>

using namespace llvm;
using namespace llmc;

/// No struct of the interface will ever be larger.
static constexpr size_t kLargestStruct = 4096;
static constexpr size_t kLongestVersion = 64;

Error llmc::checkSize(const Twine &what, size_t got, size_t wanted) {
  if (got >= wanted && got <= kLargestStruct && got % alignof(void *) == 0)
    return Error::success();
  return createStringError(what + ": expected a size of at least " +
                           Twine(wanted) + " bytes but got " + Twine(got));
}

bool llmc::isWord(StringRef text) {
  return !text.empty() && text.size() <= kLongestWord && isLower(text[0]) &&
         all_of(text,
                [](char c) { return isLower(c) || isDigit(c) || c == '_'; });
}

Expected<std::string> llmc::readText(const Twine &what, const char *text,
                                     size_t longest, bool lines) {
  if (!text)
    return createStringError(what + ": expected a text but got a null pointer");
  StringRef read(text, strnlen(text, longest + 1));
  if (read.empty() || read.size() > longest)
    return createStringError(what + ": expected a text of 1 to " +
                             Twine(longest) + " bytes but got " +
                             (read.empty() ? "none" : "more"));
  const auto *bytes = reinterpret_cast<const UTF8 *>(read.begin());
  bool legal =
      isLegalUTF8String(&bytes, reinterpret_cast<const UTF8 *>(read.end()));
  for (size_t i = 0; i < read.size() && legal; ++i) {
    auto c = static_cast<unsigned char>(read[i]);
    auto next =
        static_cast<unsigned char>(i + 1 < read.size() ? read[i + 1] : 0xff);
    legal = (c >= 0x20 && c != 0x7f && (c != 0xc2 || next >= 0xa0)) ||
            (lines && (c == '\n' || c == '\t'));
  }
  if (!legal)
    return createStringError(what +
                             ": expected UTF-8 without control "
                             "characters but got '" +
                             toHex(read.take_front(kLongestWord)) + "' (hex)");
  return read.str();
}

static Error refuseWord(const Twine &what, StringRef word) {
  return createStringError(what + ": expected 1 to " + Twine(kLongestWord) +
                           " of a-z, 0-9 and _, a letter first, but got '" +
                           word + "'");
}

Expected<std::string> llmc::readWord(const Twine &what, const char *text) {
  auto word = readText(what, text);
  if (!word || isWord(*word))
    return word;
  return refuseWord(what, *word);
}

Expected<std::string> llmc::readName(const Twine &what, const char *text,
                                     StringRef vendor) {
  auto name = readText(what, text);
  if (!name)
    return name;
  StringRef own = *name;
  if (!vendor.empty() &&
      (!own.consume_front(vendor) || !own.consume_front(".")))
    return createStringError(what + ": expected '" + vendor +
                             ".' before the name but got '" + *name + "'");
  if (!isWord(own))
    return refuseWord(what, own);
  return name;
}

Expected<std::string> llmc::readVendor(const llmc_plugin &plugin,
                                       StringRef file) {
  if (Error error =
          checkSize("llmc_plugin", plugin.size, offsetof(llmc_plugin, formats)))
    return std::move(error);
  if (plugin.abi < 1)
    return createStringError("llmc_plugin.abi: expected at least 1 but got 0");
  if (plugin.needs < 1 || plugin.needs > LLMC_PLUGIN_ABI)
    return createStringError(
        "llmc_plugin.needs: this llmc has plugin interface " +
        Twine(LLMC_PLUGIN_ABI) + ", but the plugin needs " +
        Twine(plugin.needs) + "; a newer llmc runs it");
  auto version =
      readText("llmc_plugin.version", plugin.version, kLongestVersion);
  if (!version)
    return version.takeError();
  if (file.empty())
    return std::string();
  auto vendor = readWord("llmc_plugin.vendor", plugin.vendor);
  if (vendor && *vendor == "llmc")
    return createStringError("llmc_plugin.vendor: 'llmc' is not for plugins");
  return vendor;
}

Error llmc::checkArray(const Twine &owner, StringRef noun, const void *array,
                       size_t count, size_t most) {
  if (count > most)
    return createStringError(owner + "." + noun + "_count: expected at most " +
                             Twine(most) + " but got " + Twine(count));
  if (count && !array)
    return createStringError(owner + "." + noun + "s: expected " +
                             Twine(count) + " but got a null pointer");
  return Error::success();
}
