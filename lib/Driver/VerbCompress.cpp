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
  if (Fault fault = readRequest(arguments, terminal, request))
    return terminal.fail(fault);
  request.style = arguments.text("style", request.style);
  request.force = arguments.has("force");
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
  if (!arguments.has("recipe"))
    request.recipe = "w4-" + request.emit;
  return runCompiler(request, terminal);
}
