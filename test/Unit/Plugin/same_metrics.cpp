//===- same_metrics.cpp - The metrics of llmc as a plugin -----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/plugin.h"

namespace llmc {
const llmc_plugin &getBuiltinMetrics();
} // namespace llmc

extern "C" LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1() {
  return &llmc::getBuiltinMetrics();
}
