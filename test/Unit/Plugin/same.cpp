//===- same.cpp - The methods of llmc as a plugin -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "RowQuantizer.h"

extern "C" LLMC_PLUGIN_EXPORT const llmc_plugin *llmc_plugin_v1() {
  return &llmc::getBuiltinMethods();
}
