//===- CompileRequest.h - What `llmc compile` asks of the compiler --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one boundary between the program `llmc`, which never loads MLIR by
// itself, and the compiler library. The program fills one of these structs,
// opens libllmc.so and calls the function of the same section. Both sides are
// built together, so C++ types may cross.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DRIVER_COMPILEREQUEST_H
#define LLMC_DRIVER_COMPILEREQUEST_H

#include "llmc/Eval/Metric.h"
#include "llmc/Support/Fault.h"
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace llmc {

/// The words `--emit` takes, in the order of the pipeline.
inline constexpr const char *kEmitKinds[] = {"nn",  "linalg", "llvm", "asm",
                                             "obj", "lib",    "exe",  "bundle"};

/// One run of a language model over a text, in which it measures its inputs. Only
/// the program can do that: it has the runtime and the tokenizer.
struct CalibrationRun {
  /// Folder of the bundle. Its outputs "tap0", "tap1", ... are sums over the
  /// tokens that were given, [3][columns] in f64 (`nn.tap`).
  std::string bundle;
  int64_t taps = 0;
  /// File of the text, and its windows: so many, of so many tokens.
  std::string text;
  int64_t samples = 0, length = 0;
  unsigned threads = 0;
  /// Called with windows done and windows in all.
  std::function<void(int64_t, int64_t)> progress;

  /// Filled in: tokens that the model read, and the sums over all of them, by
  /// tap. They do not depend on threads.
  int64_t windows = 0, tokens = 0;
  std::vector<std::vector<double>> sums;
};

/// One `llmc compile`, or one `llmc compress`.
struct CompileRequest {
  /// ONNX file, or a folder that holds `model.onnx`.
  std::string model;
  /// Folder of the bundle, where an older one is replaced, or the file of another `--emit`; "-" is stdout.
  std::string output;
  /// The program that runs bundles, for "exe".
  std::string runner;
  /// "host" or the name of a CPU.
  std::string target = "host";
  /// One of kEmitKinds; of `llmc compress` "onnx" or "gguf".
  std::string emit = "bundle";
  /// What the names of a library begin with, an identifier of C.
  std::string prefix = "llmc";
  /// How compressed weights stand in an ONNX file: "nbits" or "qdq"; empty:
  /// "nbits", but what comes compressed and is kept stands as it did.
  std::string style;
  /// Replace a file of `llmc compress` that is there.
  bool force = false;
  /// "main", "lm", "all" (both) or "auto" (main, and lm where there is a
  /// language model).
  std::string entry = "auto";
  std::string recipe = "f32";
  /// A regular expression: weights whose name has it nowhere stay as they are;
  /// empty: no matter.
  std::string match;
  /// Files of plugins, and folders of them separated by ':'.
  std::vector<std::string> plugins;
  std::string pluginFolders;
  /// Run methods of plugins in processes of their own, with seconds and MiB that
  /// each may take for a matrix.
  bool pluginSandbox = false;
  int64_t pluginSeconds = 600, pluginMegabytes = 4096;
  /// What keys and values are stored in: "f32", "bf16" or "i8"; empty: what the
  /// recipe says.
  std::string kv;
  /// A text for the calibration; empty: what the recipe says.
  std::string calibration;
  /// Runs a calibration. Not null where weights are written.
  Fault (*calibrate)(CalibrationRun &run) = nullptr;
  /// Default context of a session in tokens; 0: what the model names.
  int64_t context = 0;
  /// Longest piece of a prompt in tokens; 0: the compiler's choice.
  int64_t chunk = 0;
  /// Threads of the compiler; 0: physical cores this process may use.
  unsigned threads = 0;
  /// No progress and no notes, errors only.
  bool quiet = false;
  /// Name every step and decision.
  bool verbose = false;
  /// Print the time of every step.
  bool timing = false;
  /// Print the pipeline of every step to stdout.
  bool printPipeline = false;
  /// Say what would be written, and write nothing.
  bool dryRun = false;
  /// Print that as one JSON object.
  bool json = false;
  /// Stderr is a terminal: show how far it is.
  bool progress = false;
  /// Colored messages on stderr.
  bool color = false;
  /// Values for named dimensions of the model (`--dim batch=1`).
  std::vector<std::pair<std::string, int64_t>> dims;
};

/// One `llmc info` of an ONNX model.
struct InfoRequest {
  /// ONNX file, or a folder that holds `model.onnx`.
  std::string model;
  /// Print one JSON object instead of text.
  bool json = false;
  bool color = false;
  /// Files of plugins, and folders of them separated by ':'.
  std::vector<std::string> plugins;
  std::string pluginFolders;
};

/// Metrics of one `llmc eval`.
struct MetricRequest {
  /// As `--metric` names them.
  std::vector<std::string> names;
  /// As of CompileRequest.
  std::vector<std::string> plugins;
  std::string pluginFolders;
  /// Filled in, in the order of the names.
  std::vector<Metric> metrics;
};

/// One `llmc plugin`.
struct PluginRequest {
  /// "list", "check" or "new".
  std::string action;
  /// Of check the file, of new the name.
  std::string subject;
  /// Of list: as of CompileRequest.
  std::vector<std::string> plugins;
  std::string pluginFolders;
  /// Of new: what to begin, and in which language; empty: the first that the
  /// kind has.
  std::string kind = "method", language;
  /// Of check: seconds that one check may take.
  int64_t seconds = 20;
  bool json = false;
};

} // namespace llmc

/// Exported by libllmc.so. Writes results to stdout or files and messages to
/// stderr; returns the exit code (0 done, 1 the model is at fault, 2 usage,
/// 3 the machine).
extern "C" int llmc_compiler_main(const llmc::CompileRequest *request);
extern "C" int llmc_compiler_info(const llmc::InfoRequest *request);
/// Loads plugins and finds metrics; prints nothing but errors.
extern "C" int llmc_compiler_metrics(llmc::MetricRequest *request);
extern "C" int llmc_compiler_plugin(const llmc::PluginRequest *request);

#endif // LLMC_DRIVER_COMPILEREQUEST_H
