//===- WeightStore.h - Where the bytes of weights are ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Weights never enter the IR. This store knows, for each key that an
// `#nn.key<...>` names, the mapped file, place and type of its bytes, and
// evaluates the small expressions over keys that stand in `nn.weight ... from`.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_WEIGHTS_WEIGHTSTORE_H
#define LLMC_WEIGHTS_WEIGHTSTORE_H

#include "llmc/Weights/FileMap.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringMap.h"
#include <optional>
#include <vector>

namespace llmc {

/// Bytes that one element takes in memory, also where it is a boolean (one);
/// empty for types whose elements are not whole bytes.
std::optional<int64_t> getElementBytes(mlir::Type elementType);

/// Bytes of a tensor of static shape, row-major and without gaps; empty where
/// the shape is dynamic, the type has no size, or the product overflows.
std::optional<int64_t> getTensorBytes(mlir::RankedTensorType type);

/// Keys, and the bytes and type of each. Reading is thread-safe.
class WeightStore {
public:
  WeightStore() = default;
  WeightStore(const WeightStore &) = delete;
  WeightStore &operator=(const WeightStore &) = delete;

  /// Keeps a file mapped; the number names it in `addKey`.
  unsigned addFile(std::unique_ptr<FileMap> file);
  /// Maps external data below `folder`, once for each path.
  llvm::Expected<unsigned> addExternalFile(llvm::StringRef folder,
                                           llvm::StringRef relative);
  const FileMap &getFile(unsigned file) const { return *files[file]; }
  /// All files of the model: its own and those of external data.
  llvm::ArrayRef<std::unique_ptr<FileMap>> getFiles() const { return files; }
  /// The identities of all files, a line each: what the bytes of keys depend on.
  std::string describeFiles() const;

  /// Declares that the bytes of `key` are `size` bytes at `offset`. Refuses a
  /// known key, a place outside the file, and a size that is not the type's.
  llvm::Error addKey(llvm::StringRef key, mlir::RankedTensorType type,
                     unsigned file, uint64_t offset, uint64_t size);
  /// The same for bytes that stand nowhere as they are; the store owns them.
  llvm::Error addOwned(llvm::StringRef key, mlir::RankedTensorType type,
                       std::vector<char> bytes);

  bool contains(llvm::StringRef key) const { return entries.contains(key); }
  /// The bytes as stored, little-endian and row-major.
  llvm::Expected<llvm::ArrayRef<char>> getBytes(llvm::StringRef key) const;
  llvm::Expected<mlir::RankedTensorType> getType(llvm::StringRef key) const;
  /// XXH3-128 of the bytes as 32 hexadecimal digits: equal tensors have equal
  /// hashes, whatever they are called.
  llvm::Expected<std::string> hash(llvm::StringRef key) const;
  size_t size() const { return entries.size(); }

  /// Writes the whole tensor that `source` describes, row-major; `out` has
  /// exactly its size. Booleans take one byte.
  llvm::Error readSource(mlir::Attribute source,
                         llvm::MutableArrayRef<char> out) const;
  /// Writes rows `begin .. end-1` along axis 0 (a tensor of rank 0 is one row).
  llvm::Error readRows(mlir::Attribute source, int64_t begin, int64_t end,
                       llvm::MutableArrayRef<char> out) const;

  /// Tells the kernel that the pages of all files may leave memory; they come
  /// back when they are read again.
  void dropPages() const;

private:
  struct Entry {
    mlir::RankedTensorType type;
    llvm::ArrayRef<char> bytes;
    /// Non-empty where the store owns the bytes.
    std::vector<char> owned;
  };
  llvm::Expected<const Entry *> find(llvm::StringRef key) const;

  std::vector<std::unique_ptr<FileMap>> files;
  llvm::StringMap<unsigned> external;
  llvm::StringMap<std::unique_ptr<Entry>> entries;
};

} // namespace llmc

#endif // LLMC_WEIGHTS_WEIGHTSTORE_H
