//===- NewProject.h - The beginning of a plugin ----------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_NEWPROJECT_H
#define LLMC_PLUGIN_NEWPROJECT_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace llmc {

/// Writes a folder `name` with a plugin of one method in C, a CMake file that
/// builds it against an installed llmc, and a test that checks it. The last part
/// of the path is the vendor and the name of the method: 1 to 32 of a-z, 0-9 and
/// _, a letter first. Refuses a folder that is there. Returns the files.
llvm::Expected<std::vector<std::string>> writeProject(llvm::StringRef name);

} // namespace llmc

#endif // LLMC_PLUGIN_NEWPROJECT_H
