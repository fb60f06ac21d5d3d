//===- Nearest.h - What a misspelt name may have meant ---------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_NEAREST_H
#define LLMC_SUPPORT_NEAREST_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llmc {

/// The first of the names with the fewest edits from `word`, fewer than
/// `limit`; empty if there is none.
inline llvm::StringRef findNearest(llvm::StringRef word,
                                   llvm::ArrayRef<llvm::StringRef> names,
                                   unsigned limit = 3) {
  llvm::StringRef nearest;
  for (llvm::StringRef name : names)
    if (unsigned edits = word.edit_distance(name, true, limit); edits < limit) {
      limit = edits;
      nearest = name;
    }
  return nearest;
}

} // namespace llmc

#endif // LLMC_SUPPORT_NEAREST_H
