//===- LlamaModel.h - A Llama, found in @lm ---------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Formats that name an architecture hold no graph, so whoever writes one must
// know that the model is that architecture. Here every value of @lm is followed
// from the logits back to the ids: what is found computes what a Llama computes,
// whatever its weights are called.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_EXPORT_LLAMAMODEL_H
#define LLMC_LIB_EXPORT_LLAMAMODEL_H

#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Weights/WeightStore.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc {

/// A matrix and, where it has one, its bias.
struct LlamaLinear {
  nn::WeightOp weight, bias;
};

struct LlamaLayer {
  nn::WeightOp attentionNorm, feedForwardNorm;
  LlamaLinear q, k, v, o, gate, up, down;
};

struct LlamaModel {
  nn::WeightOp embedding, norm;
  /// No weight where the embedding is the head, too.
  LlamaLinear head;
  std::vector<LlamaLayer> layers;
  int64_t hidden = 0, inner = 0, heads = 0, kvHeads = 0, headSize = 0,
          vocabulary = 0;
  double epsilon = 0, ropeBase = 0;
  /// Pairs of a rotation are neighbors, not halves of a head.
  bool interleaved = false;
};

/// Fails, naming what is not as a Llama has it.
llvm::Expected<LlamaModel> findLlama(mlir::ModuleOp module,
                                     const WeightStore &store);

} // namespace llmc

#endif // LLMC_LIB_EXPORT_LLAMAMODEL_H
