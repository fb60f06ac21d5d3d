//===- Npy.h - NumPy's files: npy and npz ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arrays in and out of `llmc run`. Little-endian, C order; npy versions 1 to 3;
// npz members stored or deflated. Files may be hostile: every length is checked
// before memory is taken.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_NPY_H
#define LLMC_RUNTIME_NPY_H

#include "llmc/Runtime/llmc.h"
#include "llmc/Support/Fault.h"
#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <utility>
#include <vector>

namespace llmc {

/// An array with its values.
struct Array {
  llmc_dtype dtype = LLMC_F32;
  std::vector<int64_t> extents;
  std::vector<uint8_t> bytes;
};

using NamedArray = std::pair<std::string, Array>;

/// Reads the bytes of an npy file.
Fault parseNpy(llvm::ArrayRef<uint8_t> file, Array &out);
/// The bytes of an npy file (version 1). bf16, which NumPy lacks, is written as
/// u16 with the same bits.
std::vector<uint8_t> formatNpy(llmc_dtype dtype,
                               llvm::ArrayRef<int64_t> extents,
                               llvm::ArrayRef<uint8_t> bytes);

/// Reads the bytes of an npz file; names come without ".npy".
Fault parseNpz(llvm::ArrayRef<uint8_t> file, std::vector<NamedArray> &out);

/// Read and write files. Writing goes to a temporary name first, so that a
/// file is whole or not there.
Fault readNpy(const std::string &path, Array &out);
Fault readNpz(const std::string &path, std::vector<NamedArray> &out);
Fault writeNpy(const std::string &path, llmc_dtype dtype,
               llvm::ArrayRef<int64_t> extents, llvm::ArrayRef<uint8_t> bytes);
Fault writeNpz(const std::string &path, llvm::ArrayRef<NamedArray> arrays);

} // namespace llmc

#endif // LLMC_RUNTIME_NPY_H
