//===- OpsShape.cpp - Shapes and the moving of elements -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

void reshape(NodeReader &n) {
  bool allowzero = n.attrInt("allowzero", 0) != 0;
  Value x = n.input(0), shape = n.indexVector(1);
  if (n.failed())
    return;
  // A weight is reshaped where its bytes are described.
  if (auto entries = n.constantInts(1); entries && n.importer().weightOf(x)) {
    auto type = n.type(x);
    int64_t known = 1, rest = -1;
    bool good = true;
    for (auto [i, entry] : llvm::enumerate(*entries)) {
      if (entry == 0 && !allowzero)
        entry =
            static_cast<int64_t>(i) < type.getRank() ? type.getDimSize(i) : -2;
      if (entry == -1)
        rest = rest == -1 ? static_cast<int64_t>(i) : -2;
      else if (entry < 0 || llvm::MulOverflow(known, entry, known))
        good = false;
    }
    if (good && rest >= 0 && known > 0 && type.getNumElements() % known == 0)
      (*entries)[rest] = type.getNumElements() / known;
    if (good && rest != -2)
      if (Value weight = n.reshapedWeight(x, *entries))
        return n.result(0, weight);
  }
  SmallVector<NamedAttribute> attributes;
  if (allowzero)
    attributes.push_back(n.flag("allowzero"));
  n.result(0, n.create<nn::ReshapeOp>({x, shape}, attributes));
}

void transpose(NodeReader &n) {
  Value x = n.input(0);
  if (!x)
    return;
  SmallVector<int64_t> perm;
  if (auto given = n.attrInts("perm"))
    perm = *given;
  else
    for (int64_t i = n.rank(x); i > 0; --i)
      perm.push_back(i - 1);
  if (n.rank(x) == 2 && ArrayRef<int64_t>(perm) == ArrayRef<int64_t>{1, 0})
    if (Value weight = n.transposedWeight(x))
      return n.result(0, weight);
  n.result(0, n.transpose(x, perm));
}

void squeezeAxes(NodeReader &n, std::optional<SmallVector<int64_t>> axes) {
  Value x = n.input(0);
  if (!x)
    return;
  if (!axes) {
    axes.emplace();
    for (auto [i, extent] : llvm::enumerate(n.importer().symbolic().shape(x))) {
      if (!extent.constant())
        return n.fail("expected 'axes', because the shape " +
                      nn::shapeText(n.type(x).getShape()) + " is not known");
      if (extent.isConstant(1))
        axes->push_back(i);
    }
  }
  n.result(0, n.squeeze(x, n.axes(*axes, n.rank(x))));
}
void squeeze1(NodeReader &n) { squeezeAxes(n, n.attrInts("axes")); }
void squeeze13(NodeReader &n) {
  std::optional<SmallVector<int64_t>> axes;
  if (n.hasInput(1))
    axes = n.requireInts(1, "axes");
  squeezeAxes(n, axes);
}

void unsqueezeAxes(NodeReader &n, ArrayRef<int64_t> axes) {
  Value x = n.input(0);
  n.result(0, n.unsqueeze(x, n.axes(axes, n.rank(x) + axes.size())));
}
void unsqueeze1(NodeReader &n) {
  auto axes = n.attrInts("axes");
  if (!axes)
    return n.fail("expected attribute 'axes'");
  unsqueezeAxes(n, *axes);
}
void unsqueeze13(NodeReader &n) { unsqueezeAxes(n, n.requireInts(1, "axes")); }

/// The number of elements in axes `begin .. end-1` as a vector of one.
Value countOf(NodeReader &n, Value x, int64_t begin, int64_t end) {
  int64_t count = 1;
  bool known = true;
  for (int64_t extent : n.type(x).getShape().slice(begin, end - begin)) {
    known = known && !ShapedType::isDynamic(extent);
    count = known ? count * extent : 0;
  }
  if (known)
    return n.ints(count);
  if (end - begin == 1)
    return n.extent(x, begin, /*vector=*/true);
  Value part = n.slice(n.create<nn::ShapeOfOp>(x), 0, begin, end);
  return n.create<nn::ReduceProdOp>(
      part,
      {n.named("axes", ArrayRef<int64_t>(int64_t(0))), n.flag("keepdims")});
}

void flatten(NodeReader &n) {
  Value x = n.input(0);
  if (!x)
    return;
  int64_t rank = n.rank(x), axis = n.attrInt("axis", 1);
  if (axis < -rank || axis > rank)
    return n.fail("expected 'axis' from " + Twine(-rank) + " to " +
                  Twine(rank) + " but got " + Twine(axis));
  if (axis < 0)
    axis += rank;
  if (axis == 1 && rank > 1 && !n.type(x).isDynamicDim(0) &&
      n.type(x).hasStaticShape())
    return n.result(
        0, n.reshape(x, {n.type(x).getDimSize(0),
                         n.type(x).getNumElements() /
                             std::max<int64_t>(1, n.type(x).getDimSize(0))}));
  Value shape = n.create<nn::ConcatOp>(
      {countOf(n, x, 0, axis), countOf(n, x, axis, rank)},
      n.named("axis", int64_t(0)));
  n.result(0, n.create<nn::ReshapeOp>({x, shape}, n.flag("allowzero")));
}

void sliceBy(NodeReader &n, Value x, Value starts, Value ends, int64_t count,
             std::optional<SmallVector<int64_t>> axes,
             std::optional<SmallVector<int64_t>> steps) {
  if (n.failed())
    return;
  int64_t rank = n.rank(x);
  SmallVector<int64_t> places;
  if (axes)
    for (int64_t entry : *axes)
      places.push_back(n.axis(entry, rank));
  else
    for (int64_t i = 0; i < count; ++i)
      places.push_back(n.axis(i, rank));
  if (!steps)
    steps = SmallVector<int64_t>(count, 1);
  if (static_cast<int64_t>(places.size()) != count ||
      static_cast<int64_t>(steps->size()) != count)
    return n.fail("expected " + Twine(count) + " axes and steps but got " +
                  Twine(places.size()) + " and " + Twine(steps->size()));
  if (llvm::is_contained(*steps, 0))
    return n.fail("expected steps other than 0");
  n.result(
      0, n.create<nn::SliceOp>({x, starts, ends},
                               {n.named("axes", ArrayRef<int64_t>(places)),
                                n.named("steps", ArrayRef<int64_t>(*steps))}));
}

void slice1(NodeReader &n) {
  auto starts = n.attrInts("starts"), ends = n.attrInts("ends"),
       axes = n.attrInts("axes");
  if (!starts || !ends || starts->size() != ends->size())
    return n.fail("expected 'starts' and 'ends' of one length");
  sliceBy(n, n.input(0), n.ints(*starts), n.ints(*ends), starts->size(), axes,
          std::nullopt);
}

void slice10(NodeReader &n) {
  Value x = n.input(0), starts = n.indexVector(1), ends = n.indexVector(2);
  std::optional<SmallVector<int64_t>> axes, steps;
  if (n.hasInput(3))
    axes = n.requireInts(3, "axes");
  if (n.hasInput(4))
    steps = n.requireInts(4, "steps");
  if (n.failed())
    return;
  if (n.rank(starts) != 1 || n.type(starts).isDynamicDim(0))
    return n.fail("expected 'starts' to be a vector of known length");
  sliceBy(n, x, starts, ends, n.type(starts).getDimSize(0), axes, steps);
}

void splitBy(NodeReader &n, std::optional<SmallVector<int64_t>> sizes,
             int64_t parts) {
  Value x = n.input(0);
  int64_t axis = n.axis(n.attrInt("axis", 0), n.rank(x));
  if (n.failed())
    return;
  int64_t extent = n.importer().symbolic().dim(x, axis).constant().value_or(
      ShapedType::kDynamic);
  if (!sizes) {
    if (parts < 1 || ShapedType::isDynamic(extent))
      return n.fail("expected sizes, because the extent of the axis is not "
                    "known");
    // Equal parts, the last one smaller where they do not fit.
    int64_t chunk = llvm::divideCeil(extent, parts);
    sizes.emplace();
    for (int64_t i = 0; i < parts; ++i)
      sizes->push_back(std::clamp<int64_t>(extent - i * chunk, 0, chunk));
  }
  if (sizes->size() != n.numOutputs())
    return n.fail("expected " + Twine(n.numOutputs()) + " sizes but got " +
                  Twine(sizes->size()));
  int64_t begin = 0;
  for (auto [i, size] : llvm::enumerate(*sizes)) {
    int64_t end;
    if (size < 0 || llvm::AddOverflow(begin, size, end))
      return n.fail("expected sizes of 0 or more but got " + Twine(size));
    n.result(i, n.slice(x, axis, begin, end));
    begin = end;
  }
  if (!ShapedType::isDynamic(extent) && begin != extent)
    n.fail("expected sizes that add up to " + Twine(extent) + " but got " +
           Twine(begin));
}
void split2(NodeReader &n) { splitBy(n, n.attrInts("split"), n.numOutputs()); }
void split13(NodeReader &n) {
  std::optional<SmallVector<int64_t>> sizes;
  if (n.hasInput(1))
    sizes = n.requireInts(1, "sizes");
  int64_t parts = n.attrInt("num_outputs", n.numOutputs());
  if (parts != static_cast<int64_t>(n.numOutputs()))
    return n.fail("expected 'num_outputs' to be the number of outputs");
  splitBy(n, sizes, parts);
}

void concat(NodeReader &n) {
  SmallVector<Value> operands;
  for (size_t i = 0; i < n.numInputs(); ++i)
    operands.push_back(n.input(i));
  if (operands.empty())
    return n.fail("expected at least one input");
  if (!n.hasAttr("axis"))
    return n.fail("expected attribute 'axis'");
  int64_t axis = n.axis(n.attrInt("axis", 0), n.rank(operands[0]));
  n.result(0, n.create<nn::ConcatOp>(operands, n.named("axis", axis)));
}

void padBy(NodeReader &n, Value x, Value pads, Value value) {
  std::string mode = n.attrString("mode", "constant");
  std::optional<nn::PadMode> kind = nn::symbolizePadMode(mode);
  if (!kind)
    return n.fail("expected 'mode' to be constant, reflect, edge or wrap");
  if (n.failed())
    return;
  if (!value)
    value = n.scalar(0, n.elementType(x));
  else if (n.rank(value) == 1)
    value = n.squeeze(value, int64_t(0));
  n.result(0, n.create<nn::PadOp>(
                  {x, pads, value},
                  n.named("mode", nn::PadModeAttr::get(n.builder().getContext(),
                                                       *kind))));
}
void pad2(NodeReader &n) {
  auto pads = n.attrInts("pads");
  double value = n.attrFloat("value", 0);
  Value x = n.input(0);
  if (!pads)
    return n.fail("expected attribute 'pads'");
  if (x)
    padBy(n, x, n.ints(*pads), n.scalar(value, n.elementType(x)));
}
void pad11(NodeReader &n) {
  Value x = n.input(0), pads = n.indexVector(1), value = n.optional(2);
  if (n.failed())
    return;
  if (!n.hasInput(3))
    return padBy(n, x, pads, value);
  // Pads of some axes: the others get none.
  int64_t rank = n.rank(x);
  SmallVector<int64_t> axes = n.requireInts(3, "axes"),
                       some = n.requireInts(1, "pads"), all(2 * rank, 0);
  if (some.size() != 2 * axes.size())
    return n.fail("expected " + Twine(2 * axes.size()) + " pads but got " +
                  Twine(some.size()));
  for (auto [i, entry] : llvm::enumerate(axes)) {
    int64_t axis = n.axis(entry, rank);
    if (n.failed())
      return;
    all[axis] = some[i];
    all[axis + rank] = some[i + axes.size()];
  }
  padBy(n, x, n.ints(all), value);
}

void tile(NodeReader &n) {
  Value x = n.input(0), repeats = n.indexVector(1);
  n.result(0, n.create<nn::TileOp>({x, repeats}));
}

void expand(NodeReader &n) {
  Value x = n.input(0), shape = n.indexVector(1);
  n.result(0, n.create<nn::ExpandOp>({x, shape}));
}

void shape(NodeReader &n) {
  Value x = n.input(0);
  int64_t rank = n.rank(x), start = n.attrInt("start", 0),
          end = n.attrInt("end", kEnd);
  auto clamp = [&](int64_t bound) {
    return std::clamp<int64_t>(bound < 0 ? bound + rank : bound, 0, rank);
  };
  start = clamp(start);
  end = clamp(end);
  Value all = n.create<nn::ShapeOfOp>(x);
  bool whole = start == 0 && end == rank;
  n.result(0, whole ? all : n.slice(all, 0, start, end));
}

void size(NodeReader &n) {
  Value x = n.input(0);
  n.result(0, n.create<nn::ReduceProdOp>(
                  n.create<nn::ShapeOfOp>(x),
                  n.named("axes", ArrayRef<int64_t>(int64_t(0)))));
}

/// Operands of Range and such may be vectors of one.
Value toScalar(NodeReader &n, Value value) {
  return n.rank(value) == 1 ? n.squeeze(value, int64_t(0)) : value;
}

void range(NodeReader &n) {
  n.ignoreAttr("stash_type"); // the precision of the sum, from opset 27 on
  Value start = toScalar(n, n.input(0)), limit = toScalar(n, n.input(1)),
        delta = toScalar(n, n.input(2));
  n.result(0, n.create<nn::RangeOp>({start, limit, delta}));
}

void constantOfShape(NodeReader &n) {
  Value shape = n.indexVector(0), value;
  if (const onnx::Attribute *given = n.attr("value")) {
    if (!given->tensor)
      return n.fail("expected attribute 'value' to be a tensor");
    value = n.importer().materialize(
        *given->tensor, n.scope().prefix + n.node().outputs[0] + ":value",
        "value", n.loc());
    if (!value)
      return n.fail(n.importer().takeDiagnostic());
    if (n.type(value).getNumElements() != 1)
      return n.fail("expected 'value' to hold one element");
    if (n.rank(value) != 0) {
      auto dense = cast<DenseElementsAttr>(
          value.getDefiningOp<arith::ConstantOp>().getValue());
      value = arith::ConstantOp::create(
          n.builder(), n.loc(),
          dense.reshape(RankedTensorType::get({}, n.elementType(value))));
    }
  } else {
    value = n.scalar(0, n.builder().getF32Type());
  }
  n.result(0, n.create<nn::FullOp>({shape, value}));
}

void trilu(NodeReader &n) {
  bool upper = n.attrInt("upper", 1) != 0;
  Value x = n.input(0), k = n.optional(1);
  k = k ? toScalar(n, k) : n.integer(0);
  SmallVector<NamedAttribute> attributes;
  if (upper)
    attributes.push_back(n.flag("upper"));
  n.result(0, n.create<nn::TrilOp>({x, k}, attributes));
}

/// [N, C, H, W] between blocks of channels and blocks of pixels.
void depthToSpace(NodeReader &n) {
  int64_t block = n.attrInt("blocksize", 0);
  std::string mode = n.attrString("mode", "DCR");
  Value x = n.input(0);
  if (n.failed())
    return;
  int64_t channels =
      n.rank(x) == 4 ? n.type(x).getDimSize(1) : ShapedType::kDynamic;
  if (block < 1 || block > 1024 || ShapedType::isDynamic(channels) ||
      channels % (block * block) || (mode != "DCR" && mode != "CRD"))
    return n.fail("expected [batch, channels, height, width], a 'blocksize' "
                  "whose square divides the channels, and 'mode' DCR or CRD");
  if (n.type(x).isDynamicDim(2) || n.type(x).isDynamicDim(3))
    return n.fail("expected a known height and width");
  int64_t c = channels / (block * block), h = n.type(x).getDimSize(2),
          w = n.type(x).getDimSize(3);
  bool dcr = mode == "DCR";
  Value y = dcr ? n.reshape(x, {0, block, block, c, h, w})
                : n.reshape(x, {0, c, block, block, h, w});
  y = n.transpose(y, dcr ? ArrayRef<int64_t>{0, 3, 4, 1, 5, 2}
                         : ArrayRef<int64_t>{0, 1, 4, 2, 5, 3});
  n.result(0, n.reshape(y, {0, c, h * block, w * block}));
}

void spaceToDepth(NodeReader &n) {
  int64_t block = n.attrInt("blocksize", 0);
  Value x = n.input(0);
  if (n.failed())
    return;
  if (n.rank(x) != 4 || block < 1 || block > 1024 ||
      ShapedType::isDynamicShape(n.type(x).getShape().drop_front()) ||
      n.type(x).getDimSize(2) % block || n.type(x).getDimSize(3) % block)
    return n.fail("expected [batch, channels, height, width] of known extents "
                  "that 'blocksize' divides");
  int64_t c = n.type(x).getDimSize(1), h = n.type(x).getDimSize(2) / block,
          w = n.type(x).getDimSize(3) / block;
  Value y = n.reshape(x, {0, c, h, block, w, block});
  y = n.transpose(y, {0, 3, 5, 1, 2, 4});
  n.result(0, n.reshape(y, {0, c * block * block, h, w}));
}

} // namespace

void llmc::onnx::addShapeHandlers(HandlerTable &table) {
  auto add = [&](StringRef op, int64_t since, Handler handler) {
    table.add("", op, since, handler);
  };
  add("Reshape", 5, reshape);
  add("Transpose", 1, transpose);
  add("Squeeze", 1, squeeze1);
  add("Squeeze", 13, squeeze13);
  add("Unsqueeze", 1, unsqueeze1);
  add("Unsqueeze", 13, unsqueeze13);
  add("Flatten", 1, flatten);
  add("Slice", 1, slice1);
  add("Slice", 10, slice10);
  add("Split", 2, split2);
  add("Split", 13, split13);
  add("Concat", 4, concat);
  add("Pad", 2, pad2);
  add("Pad", 11, pad11);
  add("Tile", 6, tile);
  add("Expand", 8, expand);
  add("Shape", 1, shape);
  add("Size", 1, size);
  add("Range", 11, range);
  add("ConstantOfShape", 9, constantOfShape);
  add("Trilu", 14, trilu);
  add("DepthToSpace", 1, depthToSpace);
  add("SpaceToDepth", 1, spaceToDepth);
}
