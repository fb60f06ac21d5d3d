//===- VerbCompile.cpp - llmc compile -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns the command line into a CompileRequest and loads the compiler for it.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"
#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

using namespace llmc;

/// Refuses what is there but no model, with the way on.
static Fault checkModel(const std::string &path) {
  auto has = [&](const char *name) {
    return !access((path + "/" + name).c_str(), F_OK);
  };
  struct stat status;
  if (stat(path.c_str(), &status) || !S_ISDIR(status.st_mode) ||
      has("model.onnx"))
    return {};
  if (has("manifest.json"))
    return Fault::input("'" + path +
                        "' is a bundle, so it is compiled "
                        "already; give the model it was made from");
  return Fault::input("there is no model.onnx in the folder '" + path +
                      "'; name the ONNX file itself");
}

std::string llmc::pluginFolders() {
  const char *folders = getenv("LLMC_PLUGIN_PATH");
  return folders ? folders : "";
}

Fault llmc::readRequest(const Arguments &arguments, const Terminal &terminal,
                        CompileRequest &request) {
  request.model = arguments.positional[0];
  request.output = arguments.text("output");
  request.recipe = arguments.text("recipe", request.recipe);
  request.match = arguments.text("match");
  request.plugins = arguments.all("plugin");
  request.pluginFolders = pluginFolders();
  request.pluginSandbox = arguments.has("plugin-sandbox");
  for (const char *limit : {"plugin-time-limit", "plugin-memory-limit"})
    if (arguments.has(limit) && !request.pluginSandbox)
      return Fault::usage(std::string("--") + limit +
                          " is one of --plugin-sandbox, which is not given");
  if (Fault fault = arguments.number("plugin-time-limit", 1, 1 << 20,
                                     request.pluginSeconds))
    return fault;
  if (Fault fault = arguments.number("plugin-memory-limit", 1, 1 << 24,
                                     request.pluginMegabytes))
    return fault;
  request.calibration = arguments.text("calibration");
  request.calibrate = runCalibration;
  request.quiet = arguments.has("quiet");
  request.verbose = arguments.has("verbose");
  request.timing = arguments.has("timing");
  request.progress = terminal.showsProgress();
  request.color = terminal.colorsStderr();
  int64_t threads = 0;
  Fault fault = arguments.number("threads", 1, 1024, threads);
  request.threads = threads;
  return fault;
}

int llmc::runCompiler(const CompileRequest &request, Terminal &terminal) {
  if (Fault fault = checkModel(request.model))
    return terminal.fail(fault);
  void *address;
  if (Fault fault = findCompiler("llmc_compiler_main", address))
    return terminal.fail(fault);
  return reinterpret_cast<decltype(&llmc_compiler_main)>(address)(&request);
}

static bool isIdentifier(const std::string &name) {
  auto isWord = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (c >= '0' && c <= '9');
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), isWord);
}

/// What is made at a path only, for messages; null for text, which may go to
/// stdout.
static const char *needsPath(const std::string &emit) {
  return emit == "bundle" ? "bundle"
         : emit == "obj"  ? "object file"
         : emit == "lib"  ? "library"
         : emit == "exe"  ? "program"
                          : nullptr;
}

int llmc::runCompile(const Arguments &arguments, Terminal &terminal) {
  CompileRequest request;
  if (Fault fault = readRequest(arguments, terminal, request))
    return terminal.fail(fault);
  request.target = arguments.text("target", request.target);
  request.emit = arguments.text("emit", request.emit);
  request.prefix = arguments.text("prefix", request.prefix);
  request.entry = arguments.text("entry", request.entry);
  request.kv = arguments.text("kv", request.kv);
  request.dryRun = arguments.has("dry-run");
  request.json = arguments.has("json");
  request.printPipeline = arguments.has("print-pipeline");
  if (Fault fault = arguments.number("context", 1, 1 << 30, request.context))
    return terminal.fail(fault);
  if (Fault fault = arguments.number("chunk", 1, 1 << 20, request.chunk))
    return terminal.fail(fault);
  if (Fault fault = parseDims(arguments, request.dims))
    return terminal.fail(fault);
  if (request.dryRun && request.emit != "bundle")
    return terminal.fail(Fault::usage(
        "--dry-run tells what a bundle would hold; leave out --emit"));
  if (request.json && !request.dryRun)
    return terminal.fail(
        Fault::usage("'compile' prints JSON only with --dry-run"));
  if (!request.dryRun && (request.output.empty() || request.output == "-")) {
    if (const char *what = needsPath(request.emit))
      return terminal.fail(
          Fault::usage(std::string("'compile' needs -o PATH for the ") + what));
    request.output = "-";
  }
  if (request.printPipeline && (request.json || request.output == "-"))
    return terminal.fail(Fault::usage(
        "--print-pipeline writes to stdout, where the result would be; name a "
        "file with -o, and leave out --json"));
  if (!request.kv.empty() && request.kv != "f32" && request.entry == "main")
    return terminal.fail(Fault::usage(
        "--kv is about the cache of the entry lm, which --entry main leaves "
        "out"));
  if (request.emit == "lib" && !request.output.ends_with(".so") &&
      !request.output.ends_with(".a"))
    return terminal.fail(Fault::usage(
        "expected -o to end in .so for a shared library or in .a for an "
        "archive but got '" +
        request.output + "'"));
  if (arguments.has("prefix") && request.emit != "lib")
    return terminal.fail(Fault::usage(
        "--prefix is about the names of a library; add --emit=lib"));
  if (!isIdentifier(request.prefix))
    return terminal.fail(Fault::usage(
        "expected --prefix to be a name of C (letters, digits and _, no digit "
        "first) but got '" +
        request.prefix + "'"));
  request.runner = "/proc/self/exe";
  for (auto &[name, value] : request.dims)
    if (value < 1)
      return terminal.fail(Fault::usage("expected --dim " + name +
                                        " to be at least 1 but got " +
                                        std::to_string(value)));
  return runCompiler(request, terminal);
}
