//===- VerbCompress.cpp - llmc compress -----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Compression without code: the same recipes, and a file for other tools.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"

using namespace llmc;

int llmc::runCompress(const Arguments &arguments, Terminal &terminal) {
  CompileRequest request;
  request.model = arguments.positional[0];
  request.output = arguments.text("output");
  request.style = arguments.text("style", request.style);
  request.quiet = arguments.has("quiet");
  request.verbose = arguments.has("verbose");
  request.timing = arguments.has("timing");
  request.force = arguments.has("force");
  request.progress = terminal.showsProgress();
  request.color = terminal.colorsStderr();
  if (request.output.empty())
    return terminal.fail(
        Fault::usage("'compress' needs -o FILE.onnx or -o FILE.gguf"));
  if (request.output.ends_with(".onnx")) {
    request.emit = "onnx";
  } else if (request.output.ends_with(".gguf")) {
    // The format has language models alone.
    request.emit = "gguf";
    request.entry = "lm";
  } else {
    return terminal.fail(
        Fault::usage("expected -o to end in .onnx or .gguf but got '" +
                     request.output + "'"));
  }
  if (request.emit == "gguf" && arguments.has("style"))
    return terminal.fail(
        Fault::usage("--style is for ONNX files; a GGUF file has one"));
  request.recipe = arguments.text("recipe", "w4-" + request.emit);
  int64_t threads = 0;
  if (Fault fault = arguments.number("threads", 1, 1024, threads))
    return terminal.fail(fault);
  request.threads = threads;
  if (Fault fault = checkModel(request.model))
    return terminal.fail(fault);
  void *address;
  if (Fault fault = findCompiler("llmc_compiler_main", address))
    return terminal.fail(fault);
  return reinterpret_cast<decltype(&llmc_compiler_main)>(address)(&request);
}
