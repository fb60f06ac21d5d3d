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

/// Writes a folder `path` with a project of a plugin that builds against an
/// installed llmc, with a test that checks it and a file for CI: what is in
/// plugins/template/KIND-LANGUAGE and plugins/template/common. The language may be
/// empty for the first of c, cpp and rust that the kind has. The last part of the
/// path is the vendor and the name of what the plugin brings: 1 to 32 of a-z, 0-9
/// and _, a letter first. Refuses a folder that is there, and lists the kinds and
/// languages where there is none of these. Returns the files.
llvm::Expected<std::vector<std::string>> writeProject(llvm::StringRef path,
                                                      llvm::StringRef kind,
                                                      llvm::StringRef language);

} // namespace llmc

#endif // LLMC_PLUGIN_NEWPROJECT_H
