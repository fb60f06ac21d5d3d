//===- WriteWeights.h - Writes weights.safetensors -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_WRITEWEIGHTS_H
#define LLMC_CODEGEN_WRITEWEIGHTS_H

#include "llmc/Codegen/Journal.h"
#include <atomic>

namespace llmc {

class MethodSet;

/// Writes the file, tensor by tensor, on `threads` threads; compresses what is
/// to be compressed: large matrices one after the other, each by all threads,
/// small ones side by side. The bytes do not depend on the threads.
///
/// What the journal says is finished, and whose hash is that of the bytes in the
/// file, is left as it is; what is finished now is added to it. Every 256 MiB the
/// bytes, and then the lines about them, are sent to the disk.
///
/// Memory, beside pages of files, which the system may take back: for one large
/// matrix its numbers in f32 with its codes and scales, or these with what is
/// written; and for each thread a few row blocks, or that of a small matrix.
///
/// `written` hears of every piece, in bytes, from the thread that wrote it. Once
/// `stopped` is set no other tensor is begun, and the file stays unfinished.
/// Errors of the machine have an error code of the system; of others, which are
/// the model's, every matrix has its line.
llvm::Error writeWeightFile(WeightFile &file, const MethodSet &methods,
                            const WeightStore &store, llvm::StringRef path,
                            unsigned threads, Journal &journal,
                            const std::atomic<bool> &stopped,
                            llvm::function_ref<void(int64_t)> written);

} // namespace llmc

#endif // LLMC_CODEGEN_WRITEWEIGHTS_H
