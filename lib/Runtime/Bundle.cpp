//===- Bundle.cpp - Check the files of a bundle ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Bundle.h"
#include "llmc/Runtime/Team.h"
#include "llmc/Support/Hash.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <atomic>
#include <cstring>
#include <mutex>
#include <unistd.h>

using namespace llmc;

/// Largest manifest we read; SmolLM2's has 50 KB.
static constexpr uint64_t kManifestLimit = UINT64_C(1) << 26;

Fault llmc::readManifest(const std::string &folder, Manifest &out) {
  MappedFile file;
  std::string path = folder + "/manifest.json";
  if (Fault fault = MappedFile::open(path, file)) {
    if (fault.blame == Blame::Input)
      fault.text = "'" + folder + "' is not a bundle: " + fault.text;
    // The likeliest mistake.
    if (!access((folder + "/model.onnx").c_str(), F_OK) ||
        llvm::StringRef(folder).ends_with(".onnx"))
      fault.text = "'" + folder +
                   "' is a model and not a bundle; compile it first: llmc "
                   "compile MODEL -o BUNDLE";
    return fault;
  }
  if (file.size() > kManifestLimit)
    return Fault::input("'" + path + "' has " + std::to_string(file.size()) +
                        " bytes, more than any manifest");
  Fault fault = parseManifest(file.text(), out);
  if (fault)
    fault.text = "bundle '" + folder + "': " + fault.text;
  return fault;
}

/// What may have happened, for the end of a message.
static constexpr const char
    *kDamaged = "; the bundle is damaged",
    *kIncomplete = "; the bundle is damaged or incomplete",
    *kDamagedOrEdited = "; the bundle is damaged, or the file was edited and "
                        "is to be taken as it is with --no-verify";

static Fault checkSize(const std::string &path, const MappedFile &file,
                       uint64_t expected, const char *remark = kIncomplete) {
  if (file.size() == expected)
    return {};
  return Fault::input("'" + path + "' has " + std::to_string(file.size()) +
                      " bytes, expected " + std::to_string(expected) + remark);
}

Fault llmc::openWeights(const std::string &folder, const Manifest &manifest,
                        Weights &out) {
  std::string path = folder + "/" + manifest.weights.file;
  if (Fault fault = MappedFile::open(path, out.file))
    return fault;
  if (Fault fault = checkSize(path, out.file, manifest.weights.bytes))
    return fault;
  if (Fault fault = readSafetensors({out.file.data(), out.file.size()},
                                    out.tensors, out.dataOffset)) {
    fault.text = "'" + path + "': " + fault.text;
    return fault;
  }
  // What fills up to the alignment is no weight.
  llvm::erase_if(out.tensors, [](const StoredTensor &tensor) {
    return llvm::StringRef(tensor.name).starts_with(kPaddingPrefix);
  });
  llvm::StringMap<bool> stored;
  for (const StoredTensor &tensor : out.tensors)
    stored[tensor.name] = true;
  for (const WeightSpec &tensor : manifest.tensors)
    if (!stored.contains(tensor.name))
      return Fault::input("'" + path + "' lacks the tensor '" + tensor.name +
                          "' of the manifest");
  if (stored.size() != manifest.tensors.size())
    return Fault::input("'" + path + "' has " + std::to_string(stored.size()) +
                        " tensors, expected " +
                        std::to_string(manifest.tensors.size()) +
                        " as in the manifest");
  return {};
}

template <typename Index>
static int64_t getLargest(const uint8_t *from, int64_t count) {
  Index largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    Index index;
    memcpy(&index, from + i * sizeof(Index), sizeof(Index));
    largest = std::max(largest, index);
  }
  return largest;
}

/// The first of `count` indices below `count` that was there before, or -1.
template <typename Index>
static int64_t findRepeated(const uint8_t *from, int64_t count) {
  std::vector<bool> seen(count);
  for (int64_t i = 0; i < count; ++i) {
    Index index;
    memcpy(&index, from + i * sizeof(Index), sizeof(Index));
    if (seen[index])
      return index;
    seen[index] = true;
  }
  return -1;
}

Fault llmc::checkIndices(const Manifest &manifest, const Weights &weights) {
  const uint8_t *data = weights.file.data() + weights.dataOffset;
  int64_t size = static_cast<int64_t>(weights.file.size() - weights.dataOffset);
  for (const WeightSpec &weight : manifest.tensors) {
    if (!weight.indices)
      continue;
    const IndexSpec &spec = *weight.indices;
    auto bytes = llvm::checkedMul(spec.count, spec.bytes);
    auto end = bytes
                   ? llvm::checkedMulAdd(spec.blocks - 1, spec.distance, *bytes)
                   : std::nullopt;
    if (!end || spec.begin > size || *end > size - spec.begin)
      return Fault::input("weight '" + weight.name +
                          "' has indices outside of "
                          "the " +
                          std::to_string(size) + " bytes of data");
    for (int64_t block = 0; block < spec.blocks; ++block) {
      const uint8_t *from = data + spec.begin + block * spec.distance;
      int64_t largest = spec.bytes == 2
                            ? getLargest<uint16_t>(from, spec.count)
                            : getLargest<uint32_t>(from, spec.count);
      if (largest >= spec.limit)
        return Fault::input(
            "weight '" + weight.name + "' has a number for column " +
            std::to_string(largest) + ", expected one below " +
            std::to_string(spec.limit) + "; the bundle is damaged");
      if (!spec.once)
        continue;
      int64_t repeated = spec.bytes == 2
                             ? findRepeated<uint16_t>(from, spec.count)
                             : findRepeated<uint32_t>(from, spec.count);
      if (repeated >= 0)
        return Fault::input("weight '" + weight.name + "' has column " +
                            std::to_string(repeated) +
                            " twice in its order; the bundle is damaged");
    }
  }
  return {};
}

namespace {
/// Bytes that must have a hash.
struct Part {
  /// "weight 'w'" or "'PATH'".
  std::string name;
  llvm::ArrayRef<uint8_t> bytes;
  llvm::StringRef expected;
  /// What is likely where they have another.
  const char *remark;
};

/// Threads take the next part from a counter, since parts differ in size.
struct Comparison {
  explicit Comparison(const std::vector<Part> &parts) : parts(parts) {}

  const std::vector<Part> &parts;
  std::atomic<size_t> next{0};
  std::mutex mutex;
  /// The first part, in their order, that has another hash, and that hash.
  size_t badPart = SIZE_MAX;
  std::string badHash;

  void run() {
    for (size_t i;
         (i = next.fetch_add(1, std::memory_order_relaxed)) < parts.size();) {
      std::string hash = hashText(parts[i].bytes.data(), parts[i].bytes.size());
      if (hash == parts[i].expected)
        continue;
      std::lock_guard<std::mutex> lock(mutex);
      if (i < badPart) {
        badPart = i;
        badHash = hash;
      }
    }
  }
};
} // namespace

Fault llmc::verifyBundle(const std::string &folder, const Manifest &manifest,
                         const Weights &weights, Team &team) {
  std::vector<Part> parts;
  std::vector<MappedFile> files(manifest.files.size());
  for (auto [spec, file] : llvm::zip_equal(manifest.files, files)) {
    std::string path = folder + "/" + spec.file;
    if (Fault fault = MappedFile::open(path, file))
      return fault;
    if (Fault fault = checkSize(path, file, spec.bytes, kDamagedOrEdited))
      return fault;
    parts.push_back({"'" + path + "'",
                     {file.data(), file.size()},
                     spec.xxh3,
                     kDamagedOrEdited});
  }
  llvm::StringMap<const WeightSpec *> specs;
  for (const WeightSpec &spec : manifest.tensors)
    specs[spec.name] = &spec;
  const uint8_t *data = weights.file.data() + weights.dataOffset;
  for (const StoredTensor &tensor : weights.tensors)
    parts.push_back({"weight '" + tensor.name + "'",
                     {data + tensor.begin, data + tensor.end},
                     specs.lookup(tensor.name)->xxh3,
                     kDamaged});
  // The largest first, so that no thread begins it when the others are done.
  llvm::stable_sort(parts, [](const Part &a, const Part &b) {
    return a.bytes.size() > b.bytes.size();
  });
  Comparison comparison(parts);
  team.parallelFor([](void *arg, int64_t,
                      int64_t) { static_cast<Comparison *>(arg)->run(); },
                   &comparison, team.size(), team.size());
  if (comparison.badPart == SIZE_MAX)
    return {};
  const Part &bad = parts[comparison.badPart];
  return Fault::input(bad.name + " has the hash " + comparison.badHash +
                      ", expected " + bad.expected.str() + bad.remark);
}

Fault llmc::checkCode(const std::string &folder, const Manifest &manifest) {
  std::string path = folder + "/" + manifest.code.file;
  MappedFile file;
  if (Fault fault = MappedFile::open(path, file))
    return fault;
  if (Fault fault = checkSize(path, file, manifest.code.bytes))
    return fault;
  std::string hash = hashText(file.data(), file.size());
  if (hash != manifest.code.xxh3)
    return Fault::input("'" + path + "' has the hash " + hash + ", expected " +
                        manifest.code.xxh3 + "; its code is not run");
  return {};
}

Fault llmc::checkProcessor(const Manifest &manifest) {
  llvm::Triple wanted(manifest.triple), host(llvm::sys::getProcessTriple());
  if (wanted.getArch() != host.getArch() || wanted.getOS() != host.getOS())
    return Fault::input("the bundle was compiled for " + manifest.triple +
                        " but this machine is " + host.str() +
                        "; compile the model again with --target=host");
  llvm::StringMap<bool> available = llvm::sys::getHostCPUFeatures();
  std::string missing;
  for (llvm::StringRef feature : manifest.features) {
    feature.consume_front("+");
    if (!available.lookup(feature))
      missing += (missing.empty() ? "" : ", ") + feature.str();
  }
  if (missing.empty())
    return {};
  return Fault::input("the bundle was compiled for " + manifest.cpu +
                      " and needs " + missing + ", which this CPU (" +
                      llvm::sys::getHostCPUName().str() +
                      ") lacks; compile the model again with --target=host");
}
