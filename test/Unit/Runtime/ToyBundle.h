//===- ToyBundle.h - A bundle made by hand, for tests ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_RUNTIME_TOYBUNDLE_H
#define LLMC_TEST_UNIT_RUNTIME_TOYBUNDLE_H

#include "llmc/Runtime/llmc.h"
#include <string>

namespace llmc {

/// A folder with toy_model.c's code, weights and manifest; removed at the end.
/// Tests change the texts and call write() again.
class ToyBundle {
public:
  ToyBundle();
  /// In an existing folder, where it stays.
  explicit ToyBundle(const std::string &folder);
  ~ToyBundle();

  /// Writes the three files from the texts below.
  void write();
  /// Replaces the first occurrence of `from` in the manifest.
  void edit(const std::string &from, const std::string &to);
  /// Writes a text beside the weights and tells the manifest of it.
  void addText(const std::string &name, const std::string &content);
  /// Sets the header of the weights, padded so that data begins at 64.
  void setHeader(std::string header, size_t dataBytes);

  std::string folder, manifest, code, weights;

private:
  void fill();
  bool stays = false;
};

/// Opens the bundle and expects an error; its status and text.
std::string openError(const ToyBundle &bundle, llmc_status &status,
                      bool noVerify = false);

/// The whole content of a file.
std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &content);

} // namespace llmc

#endif // LLMC_TEST_UNIT_RUNTIME_TOYBUNDLE_H
