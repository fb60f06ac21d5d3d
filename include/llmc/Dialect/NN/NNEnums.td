//===- NNEnums.td - Every enum and attribute of the dialect ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One unit from which the enums and attributes of all families are generated.
//
//===----------------------------------------------------------------------===//
include "llmc/Dialect/NN/NNElementwise.td"
include "llmc/Dialect/NN/NNShape.td"
include "llmc/Dialect/NN/NNWeights.td"
