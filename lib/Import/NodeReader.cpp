//===- NodeReader.cpp - What a handler sees of a node ---------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Import/NodeReader.h"

#include "Handlers.h"
#include "Importer.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::onnx;

NodeReader::NodeReader(Importer &importer, Scope &scope, const Node &node,
                       int64_t version, OpBuilder &builder, Location loc)
    : owner(importer), nodeScope(scope), onnxNode(node), opset(version),
      b(builder), location(loc), values(node.outputs.size()) {}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

void NodeReader::fail(const Twine &message) {
  if (fault.empty())
    fault = message.str();
}

SmallVector<StringRef> NodeReader::unreadAttributes() const {
  SmallVector<StringRef> result;
  for (const onnx::Attribute &attribute : onnxNode.attributes)
    if (!read.contains(attribute.name))
      result.push_back(attribute.name);
  return result;
}

bool NodeReader::ready(ValueRange operands) {
  if (failed())
    return false;
  for (Value operand : operands)
    if (!operand) {
      fail("an operand is missing");
      return false;
    }
  return true;
}

Value NodeReader::refuse() {
  fail(owner.takeDiagnostic());
  return {};
}

Value NodeReader::check(Operation *op) {
  // Extents beyond what can be counted come from hostile shapes alone.
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  int64_t elements = 1;
  for (int64_t extent : type.getShape())
    if (!ShapedType::isDynamic(extent) &&
        (extent < 0 ||
         llvm::MulOverflow(elements, std::max<int64_t>(extent, 1), elements) ||
         elements > kMaxElements)) {
      fail("expected a result of at most 2^48 elements");
      return {};
    }
  if (type.getRank() > kMaxRank) {
    fail("expected a result of rank " + Twine(kMaxRank) + " or less");
    return {};
  }
  // How many entries a computed shape has decides the rank of what it shapes.
  if (type.getRank() == 1 && type.isDynamicDim(0) &&
      type.getElementType().isSignlessInteger())
    if (auto count = owner.symbolic().dim(op->getResult(0), 0).constant();
        count && *count >= 0 && *count <= kMaxRank)
      op->getResult(0).setType(type.clone({*count}));
  return op->getResult(0);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

Value NodeReader::input(size_t i) {
  if (failed())
    return {};
  if (!hasInput(i)) {
    fail("expected input " + Twine(i));
    return {};
  }
  Value value =
      owner.lookup(nodeScope, onnxNode.inputs[i], onnxNode, i, location);
  if (!value)
    fail(owner.takeDiagnostic());
  return value;
}

Value NodeReader::optional(size_t i) {
  return hasInput(i) ? input(i) : Value();
}

std::optional<SmallVector<int64_t>> NodeReader::constantInts(size_t i) {
  Value value = optional(i);
  if (!value)
    return std::nullopt;
  return intsOf(value);
}

std::optional<SmallVector<int64_t>> NodeReader::intsOf(Value value) {
  if (auto known = nn::getConstantInts(value))
    return known;
  // A computation on shapes, as the bodies of functions are full of.
  auto shape = type(value);
  if (!shape.getElementType().isSignlessInteger() || !shape.hasStaticShape() ||
      shape.getNumElements() > 2 * kMaxRank)
    return std::nullopt;
  auto all = owner.symbolic().elements(value);
  if (!all)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (SymExpr entry : *all) {
    if (!entry.is(SymKind::Constant) && !entry.is(SymKind::Bool))
      return std::nullopt;
    result.push_back(entry->getValue());
  }
  return result;
}

SmallVector<int64_t> NodeReader::requireInts(size_t i, StringRef what) {
  Value value = input(i);
  if (!value)
    return {};
  if (auto result = intsOf(value))
    return *result;
  fail("expected constant " + what +
       "; a computed one is not supported by this version");
  return {};
}

Value NodeReader::indexVector(size_t i) {
  Value value = input(i);
  if (!value)
    return {};
  Type type = elementType(value);
  if (!type.isInteger(64) && !type.isInteger(32)) {
    fail("expected input " + Twine(i) + " to hold integers");
    return {};
  }
  if (auto values = nn::getConstantInts(value)) {
    for (int64_t entry : *values) {
      // The ends of the range mean "to the end" in Slice and are clamped.
      bool endless = entry == std::numeric_limits<int64_t>::max() ||
                     entry == std::numeric_limits<int64_t>::min() ||
                     entry == std::numeric_limits<int64_t>::min() + 1;
      if (!endless && (entry > kMaxElements || entry < -kMaxElements))
        fail("expected input " + Twine(i) +
             " to hold numbers up to 2^48 but got " + Twine(entry));
    }
    // What shapes are inferred from is read through no conversion.
    if (type.isInteger(32) && rank(value) == 1)
      return ints(*values);
  }
  return cast(value, b.getI64Type());
}

std::optional<double> NodeReader::constantNumber(size_t i) {
  Value value = optional(i);
  DenseElementsAttr attr;
  if (!value || !matchPattern(value, m_Constant(&attr))) {
    auto known = value ? intsOf(value) : std::nullopt;
    if (known && known->size() == 1)
      return known->front();
    return std::nullopt;
  }
  if (attr.getNumElements() != 1)
    return std::nullopt;
  if (isa<FloatType>(attr.getElementType()))
    return (*attr.value_begin<APFloat>()).convertToDouble();
  return static_cast<double>((*attr.value_begin<APInt>()).getSExtValue());
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

const onnx::Attribute *NodeReader::attr(StringRef name) {
  read.insert(name);
  for (const onnx::Attribute &attribute : onnxNode.attributes)
    if (attribute.name == name)
      return &attribute;
  return nullptr;
}

int64_t NodeReader::attrInt(StringRef name, int64_t otherwise) {
  const onnx::Attribute *found = attr(name);
  if (found && found->type != kAttrInt)
    fail("expected attribute '" + name + "' to be an integer");
  return found ? found->i : otherwise;
}

double NodeReader::attrFloat(StringRef name, double otherwise) {
  const onnx::Attribute *found = attr(name);
  if (found && found->type != kAttrFloat)
    fail("expected attribute '" + name + "' to be a number");
  // Attributes are single precision; their shortest decimal is what was meant
  // but not what other engines compute with.
  return found ? static_cast<double>(found->f) : otherwise;
}

std::string NodeReader::attrString(StringRef name, StringRef otherwise) {
  const onnx::Attribute *found = attr(name);
  if (found && found->type != kAttrString)
    fail("expected attribute '" + name + "' to be a string");
  return found ? found->s : otherwise.str();
}

std::optional<SmallVector<int64_t>> NodeReader::attrInts(StringRef name) {
  const onnx::Attribute *found = attr(name);
  if (!found)
    return std::nullopt;
  if (found->type != kAttrInts)
    fail("expected attribute '" + name + "' to be a list of integers");
  return SmallVector<int64_t>(found->ints.begin(), found->ints.end());
}

void NodeReader::requireAttr(StringRef name, int64_t value) {
  int64_t found = attrInt(name, value);
  if (found != value)
    fail("attribute '" + name + "' is supported with value " + Twine(value) +
         " only but got " + Twine(found));
}

int64_t NodeReader::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    fail("expected an axis from " + Twine(-rank) + " to " + Twine(rank - 1) +
         " but got " + Twine(axis));
    return 0;
  }
  return axis < 0 ? axis + rank : axis;
}

SmallVector<int64_t> NodeReader::axes(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t entry : axes)
    result.push_back(axis(entry, rank));
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    fail("expected different axes");
  return result;
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

Value NodeReader::cast(Value value, Type elementType) {
  if (!ready(value) || type(value).getElementType() == elementType)
    return value;
  if (Value weight = castWeight(value, elementType))
    return weight;
  return nn::CastOp::create(b, location, type(value).clone(elementType), value);
}

Value NodeReader::transpose(Value value, ArrayRef<int64_t> perm) {
  return create<nn::TransposeOp>(value, named("perm", perm));
}

Value NodeReader::reshape(Value value, ArrayRef<int64_t> shape) {
  return create<nn::ReshapeOp>({value, ints(shape)});
}

Value NodeReader::unsqueeze(Value value, ArrayRef<int64_t> axes) {
  return create<nn::UnsqueezeOp>(value, named("axes", axes));
}

Value NodeReader::squeeze(Value value, ArrayRef<int64_t> axes) {
  return create<nn::SqueezeOp>(value, named("axes", axes));
}

Value NodeReader::foldAxes(Value value, int64_t axis) {
  if (!value)
    return {};
  int64_t count = 1;
  for (int64_t extent : type(value).getShape().drop_front(axis))
    count = count < 0 || ShapedType::isDynamic(extent) ? -1 : count * extent;
  SmallVector<int64_t> flat(axis, 0);
  // A 0 would copy an extent; what remains of nothing is 0 as well.
  flat.push_back(count == 0 ? -1 : count);
  return reshape(value, flat);
}

Value NodeReader::unfoldAxes(Value value, Value like, int64_t axis) {
  if (!value || !like)
    return {};
  SmallVector<int64_t> shape(axis, 0);
  for (int64_t extent : type(like).getShape().drop_front(axis)) {
    if (ShapedType::isDynamic(extent) || extent == 0)
      return create<nn::ReshapeOp>({value, create<nn::ShapeOfOp>(like)},
                                   flag("allowzero"));
    shape.push_back(extent);
  }
  return reshape(value, shape);
}

Value NodeReader::slice(Value value, int64_t axis, int64_t begin, int64_t end) {
  return create<nn::SliceOp>({value, ints(begin), ints(end)},
                             {named("axes", ArrayRef<int64_t>(axis)),
                              named("steps", ArrayRef<int64_t>(int64_t(1)))});
}

Value NodeReader::ints(ArrayRef<int64_t> values) {
  auto attr = DenseIntElementsAttr::get(
      RankedTensorType::get({static_cast<int64_t>(values.size())},
                            b.getI64Type()),
      values);
  return arith::ConstantOp::create(b, location, attr);
}

Value NodeReader::scalar(double value, Type elementType) {
  if (!elementType)
    return {};
  auto type = RankedTensorType::get({}, elementType);
  ::mlir::Attribute number;
  if (isa<FloatType>(elementType))
    number = b.getFloatAttr(elementType, value);
  else
    number = IntegerAttr::get(
        elementType, APInt(elementType.getIntOrFloatBitWidth(),
                           static_cast<uint64_t>(static_cast<int64_t>(value)),
                           /*isSigned=*/true, /*implicitTrunc=*/true));
  return arith::ConstantOp::create(b, location,
                                   DenseElementsAttr::get(type, number));
}

Value NodeReader::integer(int64_t value) {
  auto attr = DenseIntElementsAttr::get(
      RankedTensorType::get({}, b.getI64Type()), ArrayRef<int64_t>(value));
  return arith::ConstantOp::create(b, location, attr);
}

Value NodeReader::extent(Value value, int64_t axis, bool vector) {
  Value part = slice(create<nn::ShapeOfOp>(value), 0, axis, axis + 1);
  return vector ? part : squeeze(part, int64_t(0));
}

Value NodeReader::transposedWeight(Value value) {
  nn::WeightOp weight = owner.weightOf(value);
  if (failed() || !weight || rank(value) != 2)
    return {};
  ::mlir::Attribute source = nn::permuteSource(weight.getSource(), {1, 0});
  auto from = type(value);
  return owner.getWeight(source,
                         from.clone({from.getDimSize(1), from.getDimSize(0)}),
                         owner.wishOf(weight), location);
}

Value NodeReader::reshapedWeight(Value value, ArrayRef<int64_t> shape) {
  nn::WeightOp weight = owner.weightOf(value);
  if (failed() || !weight)
    return {};
  auto to = type(value).clone(shape);
  if (!to.hasStaticShape() ||
      to.getNumElements() != type(value).getNumElements())
    return {};
  return owner.getWeight(
      nn::ReshapeSourceAttr::get(b.getContext(), weight.getSource(), shape), to,
      owner.wishOf(weight), location);
}

Value NodeReader::castWeight(Value value, Type elementType) {
  nn::WeightOp weight = owner.weightOf(value);
  if (failed() || !weight || !isa<FloatType>(elementType) ||
      !isa<FloatType>(type(value).getElementType()))
    return {};
  return owner.getWeight(
      nn::CastSourceAttr::get(b.getContext(), weight.getSource(), elementType),
      type(value).clone(elementType), owner.wishOf(weight), location);
}

::mlir::Attribute NodeReader::constantSource(Value value) {
  if (!value || failed())
    return {};
  if (nn::WeightOp weight = owner.weightOf(value))
    return weight.getSource();
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<arith::ConstantOp>(op))
    if (auto elements = dyn_cast<ElementsAttr>(constant.getValue()))
      return nn::DenseSourceAttr::get(b.getContext(), elements);
  if (!isa_and_nonnull<nn::ReshapeOp, nn::SqueezeOp, nn::UnsqueezeOp,
                       nn::TransposeOp>(op) ||
      !type(value).hasStaticShape())
    return {};
  ::mlir::Attribute source = constantSource(op->getOperand(0));
  if (!source)
    return {};
  if (auto transpose = dyn_cast<nn::TransposeOp>(op))
    return nn::TransposeSourceAttr::get(b.getContext(), source,
                                        transpose.getPerm());
  return nn::ReshapeSourceAttr::get(b.getContext(), source,
                                    type(value).getShape());
}

void NodeReader::result(size_t i, Value value) {
  if (failed())
    return;
  if (!value)
    return fail("an operand is missing");
  if (i < values.size())
    values[i] = value;
}

void NodeReader::defer(size_t i, const Tensor &tensor) {
  if (!hasOutput(i))
    return;
  if (std::string problem = owner.problemOf(tensor); !problem.empty())
    return fail(problem);
  nodeScope.tensors[onnxNode.outputs[i]] = &tensor;
}

//===----------------------------------------------------------------------===//
// HandlerTable
//===----------------------------------------------------------------------===//

HandlerTable::HandlerTable() {
  addAttentionHandlers(*this);
  addConvHandlers(*this);
  addElementwiseHandlers(*this);
  addGatherHandlers(*this);
  addLinearHandlers(*this);
  addNormHandlers(*this);
  addReduceHandlers(*this);
  addShapeHandlers(*this);
  addControlHandlers(*this);
  addQuantizedHandlers(*this);
}

void HandlerTable::add(StringRef domain, StringRef op, int64_t since,
                       Handler handler) {
  auto &versions = table[(domain + "::" + op).str()];
  versions.emplace_back(since, handler);
  llvm::sort(versions, llvm::less_first());
}

Handler HandlerTable::find(StringRef domain, StringRef op, int64_t version,
                           int64_t *oldest) const {
  auto found = table.find((domain + "::" + op).str());
  if (found == table.end())
    return nullptr;
  if (oldest)
    *oldest = found->second.front().first;
  Handler result = nullptr;
  for (auto [since, handler] : found->second)
    if (since <= version)
      result = handler;
  return result;
}
