//===- Handlers.h - The handlers of llmc, by family ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_IMPORT_HANDLERS_H
#define LLMC_LIB_IMPORT_HANDLERS_H

#include "llmc/Import/HandlerTable.h"

namespace llmc::onnx {

// One function for each family.
void addAttentionHandlers(HandlerTable &table);
void addConvHandlers(HandlerTable &table);
void addElementwiseHandlers(HandlerTable &table);
void addGatherHandlers(HandlerTable &table);
void addLinearHandlers(HandlerTable &table);
void addNormHandlers(HandlerTable &table);
void addReduceHandlers(HandlerTable &table);
void addShapeHandlers(HandlerTable &table);
void addControlHandlers(HandlerTable &table);
void addQuantizedHandlers(HandlerTable &table);

constexpr llvm::StringLiteral kMicrosoft = "com.microsoft";
/// Operators that no one else has, of files that our own scripts write.
constexpr llvm::StringLiteral kOwnDomain = "ai.llmc";

} // namespace llmc::onnx

#endif // LLMC_LIB_IMPORT_HANDLERS_H
