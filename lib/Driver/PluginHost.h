//===- PluginHost.h - A set for plugins of every kind ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_DRIVER_PLUGINHOST_H
#define LLMC_LIB_DRIVER_PLUGINHOST_H

#include "llmc/Driver/Registration.h"
#include "llmc/Plugin/PluginSet.h"
#include "mlir/IR/DialectRegistry.h"

namespace llmc {

/// A set that takes plugins of every kind, with the dialects of llmc and those
/// that plugins bring.
struct PluginHost {
  PluginHost() {
    registerAllDialects(dialects);
    set.setDialects(dialects);
  }

  llvm::Error load(llvm::StringRef folders, llvm::ArrayRef<std::string> files) {
    if (folders.empty() && files.empty())
      return llvm::Error::success();
    // With which names of passes are compared.
    registerAllPasses();
    return set.loadAll(folders, files);
  }

  mlir::DialectRegistry dialects;
  PluginSet set;
};

} // namespace llmc

#endif // LLMC_LIB_DRIVER_PLUGINHOST_H
