//===- Safetensors.h - Read the header of a safetensors file --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_SAFETENSORS_H
#define LLMC_RUNTIME_SAFETENSORS_H

#include "llmc/Support/Fault.h"
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace llmc {

/// How the names of tensors begin that only fill up to an alignment.
inline constexpr char kPaddingPrefix[] = "__padding__.";

/// One tensor of the file.
struct StoredTensor {
  std::string name;
  /// As the file spells it: "F32", "U8".
  std::string dtype;
  std::vector<int64_t> shape;
  /// Offsets in bytes from the first byte of the data section.
  uint64_t begin = 0, end = 0;
};

/// Checks and reads the header of the file whose bytes are `file`. Tensors come
/// out in the order of their data. Each begins at a multiple of 64, lies inside
/// the file, overlaps no other and leaves no gap of 64 bytes or more; its size
/// is that of its shape. `dataOffset` is where the data section begins.
Fault readSafetensors(llvm::ArrayRef<uint8_t> file,
                      std::vector<StoredTensor> &tensors, uint64_t &dataOffset);

} // namespace llmc

#endif // LLMC_RUNTIME_SAFETENSORS_H
