//===- Verbs.h - What the verbs share -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_VERBS_H
#define LLMC_LIB_DRIVER_VERBS_H

#include "llmc/Driver/CommandLine.h"
#include "llmc/Runtime/llmc.h"
#include <memory>
#include <vector>

namespace llmc {

struct CalibrationRun;
struct CompileRequest;

int runCompile(const Arguments &arguments, Terminal &terminal);
int runCompress(const Arguments &arguments, Terminal &terminal);
int runRun(const Arguments &arguments, Terminal &terminal);
int runGenerate(const Arguments &arguments, Terminal &terminal);
int runChat(const Arguments &arguments, Terminal &terminal);
int runInfo(const Arguments &arguments, Terminal &terminal);
int runBench(const Arguments &arguments, Terminal &terminal);
int runEval(const Arguments &arguments, Terminal &terminal);
int runPlugin(const Arguments &arguments, Terminal &terminal);
int runHelp(const Arguments &arguments, Terminal &terminal);
int runCompletion(const Arguments &arguments, Terminal &terminal);

struct FreeModel {
  void operator()(llmc_model *model) const { llmc_model_free(model); }
};
using ModelHandle = std::unique_ptr<llmc_model, FreeModel>;
struct FreeSession {
  void operator()(llmc_session *session) const { llmc_session_free(session); }
};
using SessionHandle = std::unique_ptr<llmc_session, FreeSession>;

/// Takes the error of a C call.
Fault takeError(llmc_error *error);

/// Opens the bundle `folder` with --threads and --no-verify.
Fault openModel(const Arguments &arguments, const std::string &folder,
                ModelHandle &out);
/// The same for arguments.positional[0].
Fault openModel(const Arguments &arguments, ModelHandle &out);

/// What `compile` and `compress` have in common of the command line.
Fault readRequest(const Arguments &arguments, const Terminal &terminal,
                  CompileRequest &request);
/// LLMC_PLUGIN_PATH: folders, separated by ':'.
std::string pluginFolders();
/// For CompileRequest.
Fault runCalibration(CalibrationRun &run);
/// Refuses what is there but no model, with the way on; else loads the compiler
/// and lets it work. The exit code.
int runCompiler(const CompileRequest &request, Terminal &terminal);

/// "name=value" pairs of --dim.
Fault parseDims(const Arguments &arguments,
                std::vector<std::pair<std::string, int64_t>> &dims);

/// "1,2,3" or "1 2 3".
Fault parseIds(const std::string &text, std::vector<int64_t> &ids);

/// Path of this program.
std::string ownPath();

/// Finds a function of libllmc.so, which is loaded here and stays loaded.
Fault findCompiler(const char *function, void *&address);

/// "512", "1.5 KiB", "513 MiB".
std::string bytesText(uint64_t bytes);

/// Seconds since some fixed moment.
double secondsNow();

/// `text` as a JSON string with its quotation marks.
std::string jsonText(const std::string &text);

} // namespace llmc

#endif // LLMC_LIB_DRIVER_VERBS_H
