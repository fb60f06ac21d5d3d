//===- WrapText.h - Texts in lines for people ------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_WRAPTEXT_H
#define LLMC_SUPPORT_WRAPTEXT_H

#include <algorithm>
#include <string>

namespace llmc {

/// `text` broken into lines of `width` letters, later ones behind `indent`
/// blanks.
inline std::string wrapText(const std::string &text, size_t indent,
                            size_t width) {
  std::string out, line;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(' ', at), text.size());
    std::string word = text.substr(at, end - at);
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      out += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return out + line;
}

} // namespace llmc

#endif // LLMC_SUPPORT_WRAPTEXT_H
