//===- DataFile.h - A file of tensors, laid out and then filled -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// First every tensor gets its place, so that the size of the file is known and
// its space is reserved before any work. Tensors that are made together are one
// entry: the journal has its names, and an entry that an earlier run finished is
// taken over.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_DATAFILE_H
#define LLMC_LIB_EXPORT_DATAFILE_H

#include "OnnxMessage.h"
#include "llmc/Codegen/TensorFile.h"
#include "llmc/Export/Export.h"

namespace llmc {

class DataFile {
public:
  DataFile(uint64_t alignment, const ExportRequest &request)
      : alignment(alignment), request(request),
        file(request.place.getJournal(), *request.model.weights) {}

  //===--------------------------------------------------------------------===//
  // Layout
  //===--------------------------------------------------------------------===//

  /// Begins an entry with the names of the weights in it, at least one.
  size_t beginEntry(std::vector<std::string> names);
  /// The place of the next tensor of the last entry.
  onnx::Place place(uint64_t bytes);
  uint64_t getSize() const { return size; }

  //===--------------------------------------------------------------------===//
  // Content
  //===--------------------------------------------------------------------===//

  /// Makes the file, in the folder of the request. What stands before the
  /// tensors is `head`, a multiple of the alignment. With `isPadded` the last
  /// tensor is filled up to the alignment as all others are.
  llvm::Error open(llvm::StringRef head = "", bool isPadded = false);
  /// Writes a tensor, and zeros up to the next one.
  llvm::Error write(onnx::Place place, llvm::ArrayRef<char> bytes);
  /// Takes an entry over from an earlier run that finished it; else has `make`
  /// write all its tensors, and tells the journal. `outcomes` is what came of each
  /// name: `make` fills it in, and leaves it empty for what is only copied.
  llvm::Error complete(size_t entry, std::vector<CompressionOutcome> &outcomes,
                       llvm::function_ref<llvm::Error()> make);
  llvm::Error close() { return file.wait(); }

  /// By names of entries, and bytes with what fills up.
  ExportedTensors count() const;

private:
  struct Entry {
    std::vector<std::string> names;
    uint64_t begin = 0, end = 0;
  };
  /// Whether an earlier run finished the entry; then, what came of each name.
  llvm::Expected<bool> takeOver(const Entry &entry,
                                std::vector<CompressionOutcome> &outcomes);
  /// Tells the journal of an entry that is written.
  llvm::Error finish(const Entry &entry,
                     llvm::ArrayRef<CompressionOutcome> outcomes);
  /// Where what fills up behind a tensor ends.
  uint64_t getPaddedEnd(uint64_t end) const;
  int64_t countBytes(const Entry &entry) const {
    return static_cast<int64_t>(getPaddedEnd(entry.end) - entry.begin);
  }

  uint64_t alignment, size = 0;
  const ExportRequest &request;
  std::vector<Entry> entries;
  TensorFile file;
  int64_t reusedTensors = 0, reusedBytes = 0;
};

} // namespace llmc

#endif // LLMC_LIB_EXPORT_DATAFILE_H
