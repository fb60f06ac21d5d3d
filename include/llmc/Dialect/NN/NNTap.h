//===- NNTap.h - The op that measures ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Apart from NNOps.h: no model has it, and only calibration asks for it.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNTAP_H
#define LLMC_DIALECT_NN_NNTAP_H

#include "llmc/Dialect/NN/NNOps.h"

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNTap.h.inc"

#endif // LLMC_DIALECT_NN_NNTAP_H
