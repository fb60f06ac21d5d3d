//===- ElementName.h - Symbols that are elements of inputs -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_ELEMENTNAME_H
#define LLMC_SUPPORT_ELEMENTNAME_H

#include "llvm/ADT/StringRef.h"

namespace llmc {

/// Whether a symbol of that name, INPUT[i], is an element of an integer input.
/// Such a symbol may be any number; others are extents and not negative.
inline bool isElementName(llvm::StringRef name) { return name.ends_with("]"); }

} // namespace llmc

#endif // LLMC_SUPPORT_ELEMENTNAME_H
