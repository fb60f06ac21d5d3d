//===- VerbCompile.cpp - llmc compile -------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Turns the command line into a CompileRequest and loads the compiler for it.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"

using namespace llmc;

int llmc::runCompile(const Arguments &arguments, Terminal &terminal) {
  CompileRequest request;
  request.model = arguments.positional[0];
  request.output = arguments.text("output");
  request.target = arguments.text("target", request.target);
  request.emit = arguments.text("emit", request.emit);
  request.entry = arguments.text("entry", request.entry);
  request.recipe = arguments.text("recipe", request.recipe);
  request.quiet = arguments.has("quiet");
  request.verbose = arguments.has("verbose");
  request.timing = arguments.has("timing");
  request.dryRun = arguments.has("dry-run");
  request.json = arguments.has("json");
  request.progress = terminal.showsProgress();
  request.color = terminal.colorsStderr();
  int64_t threads = 0;
  if (Fault fault = arguments.number("context", 1, 1 << 30, request.context))
    return terminal.fail(fault);
  if (Fault fault = arguments.number("chunk", 1, 1 << 20, request.chunk))
    return terminal.fail(fault);
  if (Fault fault = arguments.number("threads", 1, 1024, threads))
    return terminal.fail(fault);
  request.threads = threads;
  if (Fault fault = parseDims(arguments, request.dims))
    return terminal.fail(fault);
  if (request.dryRun && request.emit != "bundle")
    return terminal.fail(Fault::usage(
        "--dry-run tells what a bundle would hold; leave out --emit"));
  if (request.json && !request.dryRun)
    return terminal.fail(
        Fault::usage("'compile' prints JSON only with --dry-run"));
  if (request.output.empty() && !request.dryRun) {
    if (request.emit == "bundle" || request.emit == "obj")
      return terminal.fail(Fault::usage(
          "'compile' needs -o PATH for the " +
          std::string(request.emit == "obj" ? "object file" : "bundle")));
    request.output = "-";
  }
  void *address;
  if (Fault fault = findCompiler("llmc_compiler_main", address))
    return terminal.fail(fault);
  return reinterpret_cast<decltype(&llmc_compiler_main)>(address)(&request);
}
