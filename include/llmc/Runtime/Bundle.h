//===- Bundle.h - Check the files of a bundle -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Everything that can be checked without running code of the bundle. `llmc
// info` stops here; the runtime loads the code afterwards.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_BUNDLE_H
#define LLMC_RUNTIME_BUNDLE_H

#include "llmc/Runtime/Manifest.h"
#include "llmc/Runtime/MappedFile.h"
#include "llmc/Runtime/Safetensors.h"

namespace llmc {

class Team;

/// Reads `folder`/manifest.json.
Fault readManifest(const std::string &folder, Manifest &out);

/// The weights of a bundle: the file, its tensors in order of their data, and
/// where the data begins.
struct Weights {
  MappedFile file;
  std::vector<StoredTensor> tensors;
  uint64_t dataOffset = 0;
};

/// Maps the weights and compares size and names with the manifest.
Fault openWeights(const std::string &folder, const Manifest &manifest,
                  Weights &out);

/// Looks at all indices, as the manifest says where they are: none may name a
/// column that its matrix has not.
Fault checkIndices(const Manifest &manifest, const Weights &weights);

/// Compares the hash of every weight and of the texts of the model, on all
/// threads of `team`: reads all of them once.
Fault verifyBundle(const std::string &folder, const Manifest &manifest,
                   const Weights &weights, Team &team);

/// Compares size and hash of the code.
Fault checkCode(const std::string &folder, const Manifest &manifest);

/// Refuses code for another architecture or with instructions this CPU lacks.
Fault checkProcessor(const Manifest &manifest);

} // namespace llmc

#endif // LLMC_RUNTIME_BUNDLE_H
