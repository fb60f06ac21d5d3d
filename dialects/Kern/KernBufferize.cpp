//===- KernBufferize.cpp - How kernel ops become ops on memrefs -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The result of every op is the buffer of its destination. Of a destination
// only a cache is also read, since what is not appended stays, and that to which
// a product is added: one-shot bufferization must see a read there. All other
// destinations are overwritten entirely and need no copy of what they held.
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Kern/KernOps.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace llmc::kern;

namespace {
template <typename OpTy>
struct KernelModel
    : DstBufferizableOpInterfaceExternalModel<KernelModel<OpTy>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand) ||
           isa<AppendOp>(op) || isAdded(op);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto kernel = cast<DestinationStyleOpInterface>(op);
    if (!kernel.hasPureTensorSemantics())
      return success(kernel.hasPureBufferSemantics());
    rewriter.setInsertionPoint(op);
    SmallVector<Value> operands, results;
    for (OpOperand &operand : op->getOpOperands()) {
      if (!isa<TensorType>(operand.get().getType())) {
        operands.push_back(operand.get());
        continue;
      }
      FailureOr<Value> buffer =
          getBuffer(rewriter, operand.get(), options, state);
      if (failed(buffer))
        return failure();
      operands.push_back(*buffer);
      if (kernel.isDpsInit(&operand))
        results.push_back(*buffer);
    }
    OperationState buffered(op->getLoc(), op->getName(), operands,
                            /*types=*/TypeRange(), op->getAttrs());
    if (op->getPropertiesStorageSize())
      buffered.propertiesAttr = op->getPropertiesAsAttribute();
    rewriter.create(buffered);
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};
} // namespace

void KernDialect::registerBufferization() {
  MLIRContext *context = getContext();
  LinearOp::attachInterface<KernelModel<LinearOp>>(*context);
  SparseLinearOp::attachInterface<KernelModel<SparseLinearOp>>(*context);
  QuantizeOp::attachInterface<KernelModel<QuantizeOp>>(*context);
  RotateOp::attachInterface<KernelModel<RotateOp>>(*context);
  PermuteOp::attachInterface<KernelModel<PermuteOp>>(*context);
  QuantizedLinearOp::attachInterface<KernelModel<QuantizedLinearOp>>(*context);
  GatherOp::attachInterface<KernelModel<GatherOp>>(*context);
  AppendOp::attachInterface<KernelModel<AppendOp>>(*context);
  AttentionOp::attachInterface<KernelModel<AttentionOp>>(*context);
  AttentionChunksOp::attachInterface<KernelModel<AttentionChunksOp>>(*context);
  AttentionJoinOp::attachInterface<KernelModel<AttentionJoinOp>>(*context);
}
