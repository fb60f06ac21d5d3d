//===- CheckFormats.h - Does a format keep what it must? -------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_CHECKFORMATS_H
#define LLMC_LIB_PLUGIN_CHECKFORMATS_H

#include "llmc/Formats/Format.h"

namespace llmc {

/// One check of a format; returns what it measured.
struct FormatCheck {
  llvm::StringLiteral name;
  llvm::Expected<std::string> (*run)(const FormatDescription &format);
};

/// In which order they run. Each is for a process of its own.
llvm::ArrayRef<FormatCheck> getFormatChecks();

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_CHECKFORMATS_H
