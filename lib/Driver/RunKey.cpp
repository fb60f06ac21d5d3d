//===- RunKey.cpp - Whether two compilations are the same -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RunKey.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Driver/Version.h"
#include "llmc/Support/Hash.h"

#include <dlfcn.h>

using namespace llmc;

/// The hash of the library that this function is in; a version is not enough
/// while the code changes.
static std::string hashCompiler() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void *>(&llmc_compiler_main), &info))
    return "";
  auto file = FileMap::open(info.dli_fname);
  if (!file) {
    llvm::consumeError(file.takeError());
    return "";
  }
  return hashText((*file)->bytes().data(), (*file)->bytes().size());
}

std::string llmc::computeRunKey(mlir::ModuleOp module, const WeightStore &store,
                                const Target &target, llvm::StringRef others) {
  std::string text = LLMC_VERSION " " + hashCompiler() + "\n";
  text += target.triple + " " + target.cpu + " " + target.features + "\n";
  text += others;
  text += store.describeFiles();
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  stream.flush();
  return hashText(text.data(), text.size());
}
