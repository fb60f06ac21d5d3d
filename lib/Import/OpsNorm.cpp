//===- OpsNorm.cpp - Normalizations ---------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

/// Refuses the outputs that only training reads.
void refuseOutputs(NodeReader &n, size_t first, size_t last) {
  for (size_t i = first; i <= last; ++i)
    if (n.hasOutput(i))
      n.fail("output " + Twine(i) + ", a statistic, is not supported");
}

/// A parameter as the vector of `count` numbers that the norm ops take.
Value vectorOf(NodeReader &n, Value parameter, ArrayRef<int64_t> shape) {
  if (!parameter)
    return {};
  auto type = n.type(parameter);
  if (type.getRank() == 1 && shape.size() == 1)
    return parameter;
  int64_t count = 1;
  for (int64_t extent : shape)
    count = ShapedType::isDynamic(extent) ? -1 : count * extent;
  if (!type.hasStaticShape() || count < 0 || type.getNumElements() != count) {
    n.fail("expected a parameter of the normalized shape " +
           nn::shapeText(shape) + " but got " + nn::shapeText(type.getShape()));
    return {};
  }
  if (Value weight = n.reshapedWeight(parameter, count))
    return weight;
  return n.reshape(parameter, count);
}

/// Normalizes the axes from `axis` on; more than one are folded into one.
template <typename OpTy>
Value normalize(NodeReader &n, Value x, Value scale, Value bias, int64_t axis,
                double epsilon) {
  int64_t rank = n.rank(x);
  axis = n.axis(axis, rank);
  if (n.failed() || !x)
    return {};
  ArrayRef<int64_t> shape = n.type(x).getShape().drop_front(axis);
  SmallVector<Value> operands{x, vectorOf(n, scale, shape)};
  if (bias)
    operands.push_back(vectorOf(n, bias, shape));
  Value y;
  if (axis == rank - 1) {
    y = n.create<OpTy>(operands, n.namedFloat("epsilon", epsilon));
  } else {
    operands[0] = n.foldAxes(x, axis);
    y = n.create<OpTy>(operands, n.namedFloat("epsilon", epsilon));
    y = n.unfoldAxes(y, x, axis);
  }
  return y;
}

/// The mean over the axes from `axis` on, and one over the deviation.
void statistics(NodeReader &n, Value x, int64_t axis, double epsilon) {
  if (!n.hasOutput(1) && !n.hasOutput(2))
    return;
  SmallVector<int64_t> axes;
  for (int64_t i = n.axis(axis, n.rank(x)); i < n.rank(x); ++i)
    axes.push_back(i);
  SmallVector<NamedAttribute> how{n.named("axes", ArrayRef<int64_t>(axes)),
                                  n.flag("keepdims")};
  Value mean = n.create<nn::ReduceMeanOp>(x, how);
  n.result(1, mean);
  if (!n.hasOutput(2))
    return;
  Value centered = n.create<nn::SubOp>({x, mean});
  Value variance = n.create<nn::ReduceMeanOp>(
      n.create<nn::MulOp>({centered, centered}), how);
  n.result(2, n.create<nn::RsqrtOp>(n.create<nn::AddOp>(
                  {variance, n.scalar(epsilon, n.elementType(x))})));
}

void layerNorm(NodeReader &n) {
  n.ignoreAttr("stash_type"); // everything is computed in f32 or better
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  int64_t axis = n.attrInt("axis", -1);
  statistics(n, n.input(0), axis, epsilon);
  n.result(0, normalize<nn::LayerNormOp>(n, n.input(0), n.input(1),
                                         n.optional(2), axis, epsilon));
}

void rmsNorm(NodeReader &n) {
  n.ignoreAttr("stash_type");
  refuseOutputs(n, 1, 1);
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  int64_t axis = n.attrInt("axis", -1);
  n.result(0, normalize<nn::RmsNormOp>(n, n.input(0), n.input(1), {}, axis,
                                       epsilon));
}

/// com.microsoft: the sum of input, skip and bias, normalized. The sum itself
/// is the fourth output.
template <typename OpTy> void skipNorm(NodeReader &n, Value beta, Value bias) {
  refuseOutputs(n, 1, 2);
  double epsilon = n.attrFloat("epsilon", 1e-12f);
  Value x = n.input(0), skip = n.input(1), gamma = n.input(2);
  Value sum = n.create<nn::AddOp>({x, skip});
  if (bias)
    sum = n.create<nn::AddOp>({sum, bias});
  n.result(0, normalize<OpTy>(n, sum, gamma, beta, -1, epsilon));
  if (n.numOutputs() > 3)
    n.result(3, sum);
}
void skipRmsNorm(NodeReader &n) {
  skipNorm<nn::RmsNormOp>(n, {}, n.optional(3));
}
void skipLayerNorm(NodeReader &n) {
  Value beta = n.optional(3), bias = n.optional(4);
  skipNorm<nn::LayerNormOp>(n, beta, bias);
}

/// A vector over the channels, shaped to meet [batch, channels, spatial...].
Value perChannel(NodeReader &n, Value vector, int64_t rank) {
  SmallVector<int64_t> axes;
  for (int64_t i = 1; i < rank - 1; ++i)
    axes.push_back(i);
  return axes.empty() ? vector : n.unsqueeze(vector, axes);
}

/// Training: mean and variance of the batch take the place of those given, and
/// move them by what the momentum leaves.
void useBatch(NodeReader &n, Value x, double momentum, Value &mean,
              Value &variance) {
  SmallVector<int64_t> axes{0};
  for (int64_t i = 2; i < n.rank(x); ++i)
    axes.push_back(i);
  auto average = [&](Value value, bool keep) {
    SmallVector<NamedAttribute> how{n.named("axes", ArrayRef<int64_t>(axes))};
    if (keep)
      how.push_back(n.flag("keepdims"));
    return n.create<nn::ReduceMeanOp>(value, how);
  };
  Value centered = n.create<nn::SubOp>({x, average(x, true)});
  Value squares = n.create<nn::MulOp>({centered, centered});
  auto move = [&](size_t index, Value &running, Value now) {
    Type type = n.elementType(running);
    now = n.cast(now, type);
    Value kept = n.create<nn::MulOp>({running, n.scalar(momentum, type)});
    Value added = n.create<nn::MulOp>({now, n.scalar(1 - momentum, type)});
    n.result(index, n.create<nn::AddOp>({kept, added}));
    running = now;
  };
  move(1, mean, average(x, false));
  move(2, variance, average(squares, false));
}

/// One multiplication and one addition for each channel.
void batchNorm(NodeReader &n) {
  double momentum = n.attrFloat("momentum", 0.9f);
  bool training = n.attrInt("training_mode", 0) != 0;
  n.requireAttr("spatial", 1);
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  for (size_t i = training ? 3 : 1; i < n.numOutputs(); ++i)
    if (n.hasOutput(i))
      n.fail("output " + Twine(i) + ", of training, is not supported");
  Value x = n.input(0), scale = n.input(1), bias = n.input(2),
        mean = n.input(3), variance = n.input(4);
  if (n.failed())
    return;
  if (training)
    useBatch(n, x, momentum, mean, variance);
  Type element = n.elementType(variance);
  Value factor = n.create<nn::RsqrtOp>(
      n.create<nn::AddOp>({variance, n.scalar(epsilon, element)}));
  factor = n.create<nn::MulOp>({n.cast(scale, element), factor});
  Value shift = n.create<nn::SubOp>(
      {n.cast(bias, element), n.create<nn::MulOp>({mean, factor})});
  int64_t rank = n.rank(x);
  Type type = n.elementType(x);
  factor = perChannel(n, n.cast(factor, type), rank);
  shift = perChannel(n, n.cast(shift, type), rank);
  n.result(0, n.create<nn::AddOp>({n.create<nn::MulOp>({x, factor}), shift}));
}

void instanceNorm(NodeReader &n) {
  double epsilon = n.attrFloat("epsilon", 1e-5f);
  Value x = n.input(0), scale = n.input(1), bias = n.input(2);
  if (n.failed())
    return;
  int64_t rank = n.rank(x);
  SmallVector<int64_t> axes;
  for (int64_t i = 2; i < rank; ++i)
    axes.push_back(i);
  SmallVector<NamedAttribute> attributes{
      n.named("axes", ArrayRef<int64_t>(axes)), n.flag("keepdims")};
  Value centered =
      n.create<nn::SubOp>({x, n.create<nn::ReduceMeanOp>(x, attributes)});
  Value variance = n.create<nn::ReduceMeanOp>(
      n.create<nn::MulOp>({centered, centered}), attributes);
  Value factor = n.create<nn::RsqrtOp>(
      n.create<nn::AddOp>({variance, n.scalar(epsilon, n.elementType(x))}));
  Value y = n.create<nn::MulOp>({centered, factor});
  y = n.create<nn::MulOp>({y, perChannel(n, scale, rank)});
  n.result(0, n.create<nn::AddOp>({y, perChannel(n, bias, rank)}));
}

} // namespace

void llmc::onnx::addNormHandlers(HandlerTable &table) {
  table.add("", "LayerNormalization", 17, layerNorm);
  table.add("", "RMSNormalization", 23, rmsNorm);
  // ONNX Runtime keeps these two in the domain of the standard.
  table.add("", "LayerNormalization", 1, layerNorm);
  table.add("", "SimplifiedLayerNormalization", 1, rmsNorm);
  table.add(kMicrosoft, "SimplifiedLayerNormalization", 1, rmsNorm);
  table.add(kMicrosoft, "SkipSimplifiedLayerNormalization", 1, skipRmsNorm);
  table.add(kMicrosoft, "SkipLayerNormalization", 1, skipLayerNorm);
  table.add("", "BatchNormalization", 7, batchNorm);
  table.add("", "InstanceNormalization", 6, instanceNorm);
}
