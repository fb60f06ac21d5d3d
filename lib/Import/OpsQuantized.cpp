//===- OpsQuantized.cpp - Weights that are quantized already --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Codes, scales and zero points stay where they are in the file: they become
// the source of a weight whose value is the f32 matrix. So every pass sees an
// ordinary weight, and the codes can still be kept as they are.
//
//===----------------------------------------------------------------------===//
#include "Handlers.h"

#include "Importer.h"
#include "Names.h"
#include "llmc/Formats/Ggml.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

namespace {

/// A constant operand as the source of part of a weight.
struct Leaf {
  ::mlir::Attribute source;
  RankedTensorType type;

  explicit operator bool() const { return static_cast<bool>(source); }
  int64_t elements() const { return type.getNumElements(); }
};

/// Operand `i`, of which nothing may be computed; a fault where it is.
Leaf constant(NodeReader &n, size_t i, StringRef what) {
  Value value = n.input(i);
  if (!value)
    return {};
  ::mlir::Attribute source = n.constantSource(value);
  if (!source)
    n.fail("expected constant " + what +
           "; computed ones are not supported by this version");
  return {source, n.type(value)};
}
Leaf optionalConstant(NodeReader &n, size_t i, StringRef what) {
  return n.hasInput(i) ? constant(n, i, what) : Leaf();
}

/// The leaf in another shape of as many elements.
Leaf reshape(const Leaf &leaf, ArrayRef<int64_t> shape) {
  ::mlir::Attribute source = leaf.source;
  auto type = leaf.type.clone(shape);
  if (type == leaf.type)
    return leaf;
  while (auto inner = dyn_cast<nn::ReshapeSourceAttr>(source))
    source = inner.getSource();
  MLIRContext *context = source.getContext();
  auto before = nn::getSourceType(
      source, [&] { return emitError(UnknownLoc::get(context)); });
  if (before != type)
    source = nn::ReshapeSourceAttr::get(context, source, shape);
  return {source, type};
}

/// Rows of `count` integers of `bits` bits out of rows of bytes.
Leaf unpack(const Leaf &bytes, int64_t rows, int64_t rowBytes, int64_t bits,
            int64_t count) {
  Leaf matrix = reshape(bytes, {rows, rowBytes});
  if (bits == 8 && rowBytes == count)
    return matrix;
  return {nn::UnpackSourceAttr::get(matrix.source.getContext(), matrix.source,
                                    bits, count, matrix.type.getElementType()),
          matrix.type.clone({rows, count})};
}

/// The weight `(codes - zeros) * scales`; no zeros are the integer `zero`.
Value dequantize(NodeReader &n, const Leaf &codes, const Leaf &scales,
                 const Leaf &zeros, int64_t zero, ArrayRef<int64_t> blocks,
                 size_t named = 1) {
  OpBuilder &b = n.builder();
  auto source = nn::DequantSourceAttr::get(
      b.getContext(), codes.source, scales.source,
      zeros ? zeros.source : b.getI64IntegerAttr(zero), blocks);
  std::string why;
  {
    ScopedDiagnosticHandler listen(b.getContext(), [&](Diagnostic &diagnostic) {
      why = diagnostic.str();
      return success();
    });
    if (!nn::getSourceType(source, [&] { return emitError(n.loc()); }) &&
        why.empty())
      why = "the parts do not fit";
  }
  if (!why.empty()) {
    n.fail(why);
    return {};
  }
  std::string wish =
      dequantizedName(weightName(n.node().inputs[named], n.node(), named));
  return n.importer().getWeight(
      source, RankedTensorType::get(codes.type.getShape(), b.getF32Type()),
      wish, n.loc());
}

/// A positive integer attribute that is not larger than any extent.
int64_t extentAttr(NodeReader &n, StringRef name) {
  int64_t value = n.attrInt(name, 0);
  if (value < 1 || value > kMaxElements) {
    n.fail("expected attribute '" + name + "' of 1 or more but got " +
           Twine(value));
    return 1;
  }
  return value;
}

/// Bits and block size as the contrib operators have them.
std::pair<int64_t, int64_t> blockAttrs(NodeReader &n, int64_t block) {
  int64_t bits = n.attrInt("bits", 4), size = n.attrInt("block_size", block);
  if (bits != 2 && bits != 4 && bits != 8)
    n.fail("expected attribute 'bits' to be 2, 4 or 8 but got " + Twine(bits));
  else if (size < 16 || size > kMaxElements || !llvm::isPowerOf2_64(size))
    n.fail("expected attribute 'block_size' to be a power of two from 16 on "
           "but got " +
           Twine(size));
  return {bits, size};
}

void expectElements(NodeReader &n, const Leaf &leaf, StringRef what,
                    ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (llvm::MulOverflow(count, extent, count))
      return n.fail("expected a size that fits 64 bits");
  if (!n.failed() && leaf.elements() != count)
    n.fail("expected " + what + " of " + nn::shapeText(shape) + " but got " +
           nn::shapeText(leaf.type.getShape()));
}

/// The zero points of rows of blocks: packed like codes, or real numbers.
Leaf blockZeros(NodeReader &n, size_t i, int64_t rows, int64_t blocks,
                int64_t bits) {
  Leaf zeros = optionalConstant(n, i, "zero points");
  if (!zeros)
    return {};
  if (isa<FloatType>(zeros.type.getElementType())) {
    expectElements(n, zeros, "zero points", {rows, blocks});
    return n.failed() ? Leaf() : reshape(zeros, {rows, blocks});
  }
  int64_t rowBytes = llvm::divideCeil(blocks, 8 / bits);
  if (!zeros.type.getElementType().isUnsignedInteger(8))
    n.fail("expected zero points in bytes or floating point");
  expectElements(n, zeros, "zero points", {rows, rowBytes});
  return n.failed() ? Leaf() : unpack(zeros, rows, rowBytes, bits, blocks);
}

//===----------------------------------------------------------------------===//
// com.microsoft MatMulNBits
//===----------------------------------------------------------------------===//

void matMulNBits(NodeReader &n) {
  int64_t columns = extentAttr(n, "K"), rows = extentAttr(n, "N");
  auto [bits, block] = blockAttrs(n, 0);
  // How ONNX Runtime rounds the left side; here recipes say that.
  n.ignoreAttr("accuracy_level");
  n.requireAttr("weight_prepacked", 0);
  if (n.hasInput(4))
    return n.fail("input 4, 'g_idx', which gives each column its block, is "
                  "not supported; quantize the model without reordering");
  Value a = n.input(0);
  Leaf data = constant(n, 1, "codes"), scales = constant(n, 2, "scales");
  Value bias = n.optional(5);
  if (n.failed())
    return;
  int64_t blocks = llvm::divideCeil(columns, block), rowBytes;
  if (llvm::MulOverflow(blocks, block * bits / 8, rowBytes))
    return n.fail("expected a size that fits 64 bits");
  if (!data.type.getElementType().isUnsignedInteger(8))
    return n.fail("expected codes in bytes");
  expectElements(n, data, "codes", {rows, blocks, rowBytes / blocks});
  expectElements(n, scales, "scales", {rows, blocks});
  Leaf zeros = blockZeros(n, 3, rows, blocks, bits);
  if (n.failed())
    return;
  Value weight = dequantize(n, unpack(data, rows, rowBytes, bits, columns),
                            reshape(scales, {rows, blocks}), zeros,
                            int64_t(1) << (bits - 1), {1, block});
  // The weight is f32; so is the product, also between halves.
  Type element = n.elementType(a), f32 = n.builder().getF32Type();
  n.importer().noteStored(n.scope(), n.node(), weight, element);
  SmallVector<Value, 3> operands{n.cast(a, f32), weight};
  if (bias)
    operands.push_back(n.cast(bias, f32));
  Value product = n.create<nn::LinearOp>(operands);
  n.result(0, n.cast(product, element));
}

//===----------------------------------------------------------------------===//
// com.microsoft GatherBlockQuantized
//===----------------------------------------------------------------------===//

void gatherBlockQuantized(NodeReader &n) {
  auto [bits, block] = blockAttrs(n, 128);
  int64_t gatherAxis = n.attrInt("gather_axis", 0),
          quantizeAxis = n.attrInt("quantize_axis", 1);
  Leaf data = constant(n, 0, "codes");
  Value indices = n.input(1);
  Leaf scales = constant(n, 2, "scales");
  if (n.failed())
    return;
  int64_t rank = data.type.getRank();
  gatherAxis = n.axis(gatherAxis, rank);
  quantizeAxis = n.axis(quantizeAxis, rank);
  if (!n.failed() && (rank != 2 || gatherAxis != 0 || quantizeAxis != 1))
    n.fail("supported for a matrix with 'gather_axis' 0 and 'quantize_axis' 1 "
           "only");
  if (n.failed())
    return;
  int64_t rows = data.type.getDimSize(0), width = data.type.getDimSize(1);
  int64_t zero = 0;
  // Bytes hold several codes each and count them from 0, unless ONNX's own
  // types of few bits were unpacked already.
  ::mlir::Attribute root = data.source;
  while (auto inner = dyn_cast<nn::ReshapeSourceAttr>(root))
    root = inner.getSource();
  bool isPacked = !isa<nn::UnpackSourceAttr>(root) &&
                  data.type.getElementType().isUnsignedInteger(8);
  int64_t columns = isPacked ? width * (8 / bits) : width;
  if (isPacked) {
    data = unpack(data, rows, width, bits, columns);
    zero = int64_t(1) << (bits - 1);
  }
  int64_t blocks = llvm::divideCeil(columns, block);
  expectElements(n, scales, "scales", {rows, blocks});
  Leaf zeros;
  if (isPacked) {
    zeros = blockZeros(n, 3, rows, blocks, bits);
  } else if ((zeros = optionalConstant(n, 3, "zero points"))) {
    expectElements(n, zeros, "zero points", {rows, blocks});
    if (!n.failed())
      zeros = reshape(zeros, {rows, blocks});
  }
  if (n.failed())
    return;
  Value weight = dequantize(n, data, reshape(scales, {rows, blocks}), zeros,
                            zero, {1, block}, 0);
  Type element = scales.type.getElementType();
  n.importer().noteStored(n.scope(), n.node(), weight, element);
  Value result =
      n.create<nn::GatherOp>({weight, indices}, n.named("axis", int64_t(0)));
  n.result(0, n.cast(result, element));
}

//===----------------------------------------------------------------------===//
// DequantizeLinear
//===----------------------------------------------------------------------===//

/// Of what is computed: in f32, with a scale for all or for one axis.
Value dequantizeValue(NodeReader &n, Value x, Value scale, Value zero,
                      int64_t axis) {
  Type f32 = n.builder().getF32Type();
  int64_t rank = n.rank(x);
  auto spread = [&](Value value) -> Value {
    if (!value || n.rank(value) == 0)
      return value;
    SmallVector<int64_t> shape(rank, 1);
    if (n.type(value).getShape() != ArrayRef<int64_t>{1})
      shape[axis] = n.type(value).getDimSize(0);
    return n.reshape(value, shape);
  };
  if (ShapedType::isDynamicShape(n.type(scale).getShape())) {
    n.fail("expected a scale of known shape");
    return {};
  }
  Value y = n.cast(x, f32);
  if (zero)
    y = n.create<nn::SubOp>({y, n.cast(spread(zero), f32)});
  return n.create<nn::MulOp>({y, n.cast(spread(scale), f32)});
}

void dequantizeLinear(NodeReader &n) {
  int64_t axis = n.attrInt("axis", 1), block = n.attrInt("block_size", 0),
          output = n.attrInt("output_dtype", 0);
  Value x = n.input(0), scale = n.input(1), zero = n.optional(2);
  if (n.failed())
    return;
  Type element = n.elementType(scale);
  if (output && !(element = n.importer().elementType(output)))
    return n.fail("attribute 'output_dtype' has an unsupported type");
  if (!isa<FloatType>(element))
    return n.fail("expected a floating point result");
  int64_t rank = n.rank(x);
  bool isTensor = n.rank(scale) == 0 ||
                  (n.rank(scale) == 1 && n.type(scale).getDimSize(0) == 1);
  if (!isTensor)
    axis = n.axis(axis, rank);
  if (n.failed())
    return;
  if (block < 0 || block > kMaxElements)
    return n.fail("expected attribute 'block_size' of 0 or more but got " +
                  Twine(block));
  if (zero && n.type(zero).getShape() != n.type(scale).getShape())
    return n.fail("expected zero points of the shape of the scales " +
                  nn::shapeText(n.type(scale).getShape()) + " but got " +
                  nn::shapeText(n.type(zero).getShape()));
  if (!block && n.rank(scale) > 1)
    return n.fail("expected a scale of rank 0 or 1 but got rank " +
                  Twine(n.rank(scale)));
  Leaf codes{n.constantSource(x), n.type(x)},
      scales{n.constantSource(scale), n.type(scale)},
      zeros{zero ? n.constantSource(zero) : ::mlir::Attribute(),
            n.type(zero ? zero : scale)};
  if (!codes || !scales || (zero && !zeros)) {
    if (block && !isTensor)
      return n.fail("expected constant codes, scales and zero points in "
                    "blocks; computed ones are not supported by this version");
    return n.result(0,
                    n.cast(dequantizeValue(n, x, scale, zero, axis), element));
  }
  if (!codes.elements())
    return n.result(0, n.cast(x, element));
  SmallVector<int64_t> blocks(codes.type.getShape()), counts(rank, 1);
  if (block && !isTensor) {
    blocks.assign(rank, 1);
    blocks[axis] = block;
    counts = SmallVector<int64_t>(scales.type.getShape());
  } else if (!isTensor) {
    blocks[axis] = 1;
    counts[axis] = scales.type.getDimSize(0);
  }
  Value weight =
      dequantize(n, codes, reshape(scales, counts),
                 zeros ? reshape(zeros, counts) : zeros, 0, blocks, 0);
  n.importer().noteStored(n.scope(), n.node(), weight, element);
  n.result(0, n.cast(weight, element));
}

//===----------------------------------------------------------------------===//
// ai.llmc DequantizeBlocks
//===----------------------------------------------------------------------===//

/// Blocks of a GGUF file, as scripts/convert/gguf_to_onnx.py writes them.
void dequantizeBlocks(NodeReader &n) {
  std::string type = n.attrString("type", "");
  auto shape = n.attrInts("shape");
  Leaf bytes = constant(n, 0, "blocks");
  if (n.failed())
    return;
  const GgmlType *known = findGgmlType(StringRef(type));
  if (!known) {
    std::string names;
    for (const GgmlType &each : getGgmlTypes())
      names += (names.empty() ? "" : ", ") + each.name.str();
    return n.fail("expected attribute 'type' to be one of " + names +
                  " but got '" + shown(type) + "'");
  }
  if (!bytes.type.getElementType().isUnsignedInteger(8))
    return n.fail("expected blocks in bytes");
  if (!shape || shape->size() != 2 || (*shape)[0] < 1 || (*shape)[1] < 1 ||
      (*shape)[1] > kMaxElements || (*shape)[1] % known->blockColumns)
    return n.fail("expected attribute 'shape' to be rows and a multiple of " +
                  Twine(known->blockColumns) + " columns");
  int64_t rowBytes = (*shape)[1] / known->blockColumns * known->blockBytes;
  expectElements(n, bytes, "blocks", {(*shape)[0], rowBytes});
  if (n.failed())
    return;
  OpBuilder &b = n.builder();
  auto source = nn::BlocksSourceAttr::get(
      b.getContext(), reshape(bytes, {(*shape)[0], rowBytes}).source,
      known->name);
  Value weight = n.importer().getWeight(
      source, RankedTensorType::get(*shape, b.getF32Type()),
      dequantizedName(weightName(n.node().inputs[0], n.node(), 0)), n.loc());
  n.importer().noteStored(n.scope(), n.node(), weight, b.getF32Type());
  n.result(0, weight);
}

} // namespace

void llmc::onnx::addQuantizedHandlers(HandlerTable &table) {
  table.add("", "DequantizeLinear", 10, dequantizeLinear);
  table.add(kMicrosoft, "DequantizeLinear", 1, dequantizeLinear);
  table.add(kMicrosoft, "MatMulNBits", 1, matMulNBits);
  table.add(kMicrosoft, "GatherBlockQuantized", 1, gatherBlockQuantized);
  table.add(kOwnDomain, "DequantizeBlocks", 1, dequantizeBlocks);
}
