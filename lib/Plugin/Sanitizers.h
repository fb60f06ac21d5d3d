//===- Sanitizers.h - Plugins that are built with a sanitizer --*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_SANITIZERS_H
#define LLMC_LIB_PLUGIN_SANITIZERS_H

#include "Apart.h"
#include "llmc/Plugin/PluginSet.h"

namespace llmc {

/// "AddressSanitizer and UndefinedBehaviorSanitizer".
std::string nameSanitizers(const Sanitizers &sanitizers);

/// Fails where the plugin needs a runtime that is not in this process, and that
/// would end it if it came later. Errors do not name the file.
llvm::Error expectRuntime(const Sanitizers &sanitizers);

/// runApart with an eye on what sanitizers report of the library `plugin`, a path
/// without links, on stderr: `report` of the outcome. What else is written there
/// goes on to stderr. Memory that nobody can reach any more when `body` has
/// returned is reported, too.
Outcome runWatched(int64_t seconds, llvm::StringRef plugin,
                   llvm::function_ref<llvm::Expected<std::string>()> body);

/// The first report on code of the library in what a process wrote to stderr: its
/// title and a few lines, of stacks the frames of the library; empty if there is
/// none.
std::string findReport(llvm::StringRef text, llvm::StringRef plugin);

/// How runtimes are told to write a frame, for findReport.
inline constexpr const char kFrameFormat[] = "    #%n %F %L {%m}";

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_SANITIZERS_H
