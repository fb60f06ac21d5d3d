//===- OpsConv.cpp - Convolution and pooling ------------------------------===//
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

/// The window of a convolution or pool, one entry for each spatial axis (pads:
/// all before, then all behind).
struct Window {
  SmallVector<int64_t> kernel, strides, dilations, pads;
};

/// Reads the attributes that both share. `kernel` is what the weight says.
Window window(NodeReader &n, Value x, std::optional<ArrayRef<int64_t>> kernel) {
  Window result;
  auto given = n.attrInts("kernel_shape");
  if (kernel)
    result.kernel.assign(kernel->begin(), kernel->end());
  else if (given)
    result.kernel = *given;
  else
    n.fail("expected attribute 'kernel_shape'");
  if (n.failed())
    return result;
  size_t spatial = result.kernel.size();
  for (int64_t extent : result.kernel)
    if (extent < 1 || extent > INT32_MAX)
      n.fail("expected windows of 1 to 2^31 but got " + Twine(extent));
  if (given && *given != result.kernel)
    n.fail("expected 'kernel_shape' to be the shape of the weight");
  if (n.rank(x) != static_cast<int64_t>(spatial) + 2)
    n.fail("expected an input of rank " + Twine(spatial + 2) +
           " but got rank " + Twine(n.rank(x)));
  auto list = [&](StringRef name, size_t count, int64_t otherwise) {
    auto values = n.attrInts(name);
    if (values && values->size() != count)
      n.fail("expected " + Twine(count) + " entries in '" + name +
             "' but got " + Twine(values->size()));
    SmallVector<int64_t> result =
        values ? *values : SmallVector<int64_t>(count, otherwise);
    for (int64_t value : result)
      if (value < 0 || value > INT32_MAX)
        n.fail("expected entries of '" + name + "' from 0 to 2^31 but got " +
               Twine(value));
    return result;
  };
  result.strides = list("strides", spatial, 1);
  result.dilations = list("dilations", spatial, 1);
  result.pads = list("pads", 2 * spatial, 0);
  std::string mode = n.attrString("auto_pad", "NOTSET");
  if (n.failed() || mode == "NOTSET" || mode.empty())
    return result;
  result.pads.assign(2 * spatial, 0);
  if (mode == "VALID")
    return result;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") {
    n.fail("expected 'auto_pad' to be NOTSET, VALID, SAME_UPPER or "
           "SAME_LOWER");
    return result;
  }
  for (size_t i = 0; i < spatial; ++i) {
    int64_t extent = n.type(x).getDimSize(i + 2), stride = result.strides[i];
    int64_t reach = (result.kernel[i] - 1) * result.dilations[i] + 1;
    int64_t total = reach - 1; // enough for any extent where the stride is 1
    if (stride != 1) {
      if (ShapedType::isDynamic(extent) || stride < 1) {
        n.fail("expected a known extent for 'auto_pad' with strides");
        return result;
      }
      int64_t count = llvm::divideCeil(extent, stride);
      total = std::max<int64_t>(0, (count - 1) * stride + reach - extent);
    }
    int64_t less = total / 2, more = total - less;
    bool upper = mode == "SAME_UPPER";
    result.pads[i] = upper ? less : more;
    result.pads[i + spatial] = upper ? more : less;
  }
  return result;
}

void conv(NodeReader &n) {
  Value x = n.input(0), weight = n.input(1), bias = n.optional(2);
  if (n.failed())
    return;
  if (n.rank(weight) < 3)
    return n.fail("expected a weight of rank 3 or more but got rank " +
                  Twine(n.rank(weight)));
  ArrayRef<int64_t> kernel = n.type(weight).getShape().drop_front(2);
  if (ShapedType::isDynamicShape(kernel))
    return n.fail("expected a weight of known shape");
  Window w = window(n, x, kernel);
  int64_t groups = n.attrInt("group", 1);
  SmallVector<Value> operands{x, weight};
  if (bias)
    operands.push_back(bias);
  n.result(0,
           n.create<nn::ConvOp>(
               operands, {n.named("strides", ArrayRef<int64_t>(w.strides)),
                          n.named("pads", ArrayRef<int64_t>(w.pads)),
                          n.named("dilations", ArrayRef<int64_t>(w.dilations)),
                          n.named("groups", groups)}));
}

template <typename OpTy>
void pool(NodeReader &n, SmallVector<NamedAttribute> attributes) {
  Value x = n.input(0);
  Window w = window(n, x, std::nullopt);
  attributes.push_back(n.named("kernel", ArrayRef<int64_t>(w.kernel)));
  attributes.push_back(n.named("strides", ArrayRef<int64_t>(w.strides)));
  attributes.push_back(n.named("pads", ArrayRef<int64_t>(w.pads)));
  attributes.push_back(n.named("dilations", ArrayRef<int64_t>(w.dilations)));
  if (n.attrInt("ceil_mode", 0))
    attributes.push_back(n.flag("ceil"));
  n.result(0, n.create<OpTy>(x, attributes));
}

void maxPool(NodeReader &n) {
  n.ignoreAttr("storage_order"); // of the indices alone
  if (n.hasOutput(1))
    return n.fail("output 1, the indices, is not supported");
  pool<nn::MaxPoolOp>(n, {});
}

void averagePool(NodeReader &n) {
  SmallVector<NamedAttribute> attributes;
  if (n.attrInt("count_include_pad", 0))
    attributes.push_back(n.flag("include_pad"));
  pool<nn::AvgPoolOp>(n, attributes);
}

template <typename OpTy> void globalPool(NodeReader &n) {
  Value x = n.input(0);
  SmallVector<int64_t> axes;
  for (int64_t i = 2; i < n.rank(x); ++i)
    axes.push_back(i);
  n.result(0, n.create<OpTy>(x, {n.named("axes", ArrayRef<int64_t>(axes)),
                                 n.flag("keepdims")}));
}

} // namespace

void llmc::onnx::addConvHandlers(HandlerTable &table) {
  table.add("", "Conv", 1, conv);
  table.add("", "MaxPool", 1, maxPool);
  table.add("", "AveragePool", 1, averagePool);
  table.add("", "GlobalAveragePool", 1, globalPool<nn::ReduceMeanOp>);
  table.add("", "GlobalMaxPool", 1, globalPool<nn::ReduceMaxOp>);
}
