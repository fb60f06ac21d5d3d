//===- Names.h - Names of weights that a person would use ------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_IMPORT_NAMES_H
#define LLMC_LIB_IMPORT_NAMES_H

#include "llmc/Import/OnnxModel.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace llmc::onnx {

/// Whether a machine made the name up (`val_109`, `onnx::MatMul_1593`).
bool isMachineName(llvm::StringRef name);

/// `/model/layers.0/q_proj/MatMul` becomes `model.layers.0.q_proj`.
std::string normalizePath(llvm::StringRef path);

/// The name for the tensor that `node` reads as operand `index`: its own where
/// a person gave it, else the node's place in the modules and the role of the
/// operand.
std::string weightName(llvm::StringRef tensor, const Node &node, size_t index);

/// The name of what codes of that name stand for: quantizers write `weight_Q4`,
/// `weight_Q4G32`, `weight_quantized`.
std::string dequantizedName(llvm::StringRef name);

/// The first component where all names share it and it is a wrapper of the
/// exporter (`m.`, `module.`); else empty.
std::string commonWrapper(llvm::ArrayRef<std::string> names);

} // namespace llmc::onnx

#endif // LLMC_LIB_IMPORT_NAMES_H
