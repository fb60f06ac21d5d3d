//===- VerbPlugin.cpp - llmc plugin ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plugins are loaded by the compiler library, which does the work.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Driver/CompileRequest.h"

using namespace llmc;

int llmc::runPlugin(const Arguments &arguments, Terminal &terminal) {
  PluginRequest request;
  request.action = arguments.positional[0];
  bool lists = request.action == "list", checks = request.action == "check",
       begins = request.action == "new";
  if (!lists && !checks && !begins) {
    std::string near = nearest(request.action, {"list", "check", "new"});
    return terminal.fail(Fault::usage(
        "expected list, check or new but got '" + request.action + "'" +
        (near.empty() ? "" : "; did you mean '" + near + "'?")));
  }
  bool named = arguments.positional.size() > 1;
  if (named == lists)
    return terminal.fail(Fault::usage(
        lists ? "'plugin list' does not expect '" + arguments.positional[1] +
                    "'; --plugin FILE loads a plugin"
              : "'plugin " + request.action + "' needs a " +
                    (checks ? "FILE" : "NAME")));
  if (named)
    request.subject = arguments.positional[1];
  request.plugins = arguments.all("plugin");
  request.pluginFolders = pluginFolders();
  request.kind = arguments.text("kind", request.kind);
  request.language = arguments.text("lang", request.language);
  request.json = arguments.has("json");
  if (Fault fault = arguments.number("time-limit", 1, 3600, request.seconds))
    return terminal.fail(fault);
  void *address;
  if (Fault fault = findCompiler("llmc_compiler_plugin", address))
    return terminal.fail(fault);
  return reinterpret_cast<decltype(&llmc_compiler_plugin)>(address)(&request);
}
