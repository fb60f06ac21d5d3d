//===- OptMain.cpp - The program llmc-opt ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// MLIR makes its options from the passes that are registered, so plugins are
// loaded before it reads the command line.
//
//===----------------------------------------------------------------------===//
#include "ExitCode.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Plugin/PluginSet.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

#include <cstdlib>

using namespace mlir;
using namespace llmc;

static int fail(const llvm::Twine &message) {
  llvm::errs() << "llmc-opt: error: " << message << "\n";
  return UsageAtFault;
}

int llmc::optMain(int argc, char **argv) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllPasses();

  std::vector<std::string> files;
  SmallVector<char *> rest;
  for (int i = 0; i < argc; ++i) {
    StringRef argument = argv[i], name = argument.split('=').first;
    bool dashed = i > 0 && name.consume_front("-");
    name.consume_front("-");
    if (dashed && (name == "load-pass-plugin" || name == "load-dialect-plugin"))
      return fail("--" + name +
                  " loads whatever it is given, and goes on if it cannot; "
                  "--plugin FILE loads plugins of llmc");
    if (!dashed || name != "plugin") {
      rest.push_back(argv[i]);
      continue;
    }
    if (argument.contains('='))
      files.push_back(argument.split('=').second.str());
    else if (++i < argc)
      files.emplace_back(argv[i]);
    else
      return fail("--plugin needs a FILE");
  }
  // Their passes stay known when the set is gone, and libraries stay loaded.
  PluginSet plugins;
  plugins.setDialects(registry);
  const char *folders = getenv("LLMC_PLUGIN_PATH");
  if (llvm::Error error = plugins.loadAll(folders ? folders : "", files))
    return fail(llvm::toString(std::move(error)));
  rest.push_back(nullptr);
  return asMainReturnCode(
      MlirOptMain(static_cast<int>(rest.size()) - 1, rest.data(),
                  "llmc-opt: passes of the compression compiler llmc\n"
                  "  --plugin <file>  load a plugin, whose passes are options "
                  "then; may be repeated, and LLMC_PLUGIN_PATH names folders\n",
                  registry));
}
