//===- Journal.h - What an unfinished output holds already -----*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A text file in the folder of an unfinished bundle, or of another file with
// tensors. Each line is the XXH3-128
// of the rest of the line, a space, and a JSON object; the first one holds the
// key of the run. A line is written, by one call, after the bytes that it speaks
// of. It is a claim and no proof: whoever uses it compares the hash of a tensor
// with its bytes, and lines that do not match their own hash end the journal. So
// what is taken over is right after any loss of power, too; that much of it is
// there is what `sync` is for.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_CODEGEN_JOURNAL_H
#define LLMC_CODEGEN_JOURNAL_H

#include "llmc/Codegen/WeightFile.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llvm/ADT/StringMap.h"
#include <atomic>
#include <mutex>

namespace llmc {

class Journal {
public:
  Journal() = default;
  Journal(const Journal &) = delete;
  Journal &operator=(const Journal &) = delete;
  ~Journal() { close(); }

  /// Opens the journal at `path` for a run of this key. Lines of an earlier run
  /// with the same key are kept and true is returned; anything else that stands
  /// there is replaced.
  llvm::Expected<bool> open(llvm::StringRef path, llvm::StringRef key);
  void close();

  /// A tensor that was finished.
  struct Tensor {
    int64_t offset = 0, bytes = 0;
    std::string hash;
    CompressionOutcome outcome;
  };
  /// Of an earlier run; null if there is none of the name.
  const Tensor *findTensor(llvm::StringRef name) const;
  const ColumnScale *findScale(llvm::StringRef name) const;
  size_t countScales() const { return scales.size(); }

  /// Adds a line. From any thread. Where that is not possible the journal ends:
  /// a later run has more to do, and nothing else is lost.
  void addTensor(llvm::StringRef name, const Tensor &tensor, bool isWork);
  void addScale(llvm::StringRef name, const ColumnScale &scale);
  /// Waits until the lines so far have reached the disk.
  void sync();

  /// Whether lines speak of what took work, not only of copies.
  bool holdsWork() const { return work; }

private:
  void append(llvm::json::Object object, bool isWork);
  void take(const llvm::json::Object &object);

  int descriptor = -1;
  std::mutex mutex;
  std::atomic<bool> work = false;
  llvm::StringMap<Tensor> tensors;
  llvm::StringMap<ColumnScale> scales;
};

} // namespace llmc

#endif // LLMC_CODEGEN_JOURNAL_H
