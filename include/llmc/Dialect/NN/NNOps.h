//===- NNOps.h - All ops of the nn dialect ----------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNOPS_H
#define LLMC_DIALECT_NN_NNOPS_H

#include "llmc/Dialect/NN/NNDialect.h"

#include "llmc/Dialect/NN/NNInference.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNElementwise.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNUnary.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNActivation.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNShape.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNGather.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNReduce.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNLinear.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNAttention.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNConv.h.inc"
#define GET_OP_CLASSES
#include "llmc/Dialect/NN/NNWeights.h.inc"

#endif // LLMC_DIALECT_NN_NNOPS_H
