//===- SymbolicElements.cpp - Memo, recursion and entry of the analysis ---===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Shapes are found in the order of definition with an explicit stack, so that
// the length of a graph costs no machine stack. Elements recurse; their depth
// and their number per question are bounded.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "ElementRules.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>

using namespace mlir;
using namespace llmc;
using namespace llmc::rules;

namespace {
/// Nested questions for elements; bounds the machine stack.
constexpr unsigned kMaxNesting = 500;
/// Elements computed for one question.
constexpr uint64_t kMaxEvaluations = 20000;
/// Nested index computations.
constexpr unsigned kMaxIndexNesting = 200;
} // namespace

struct SymbolicElements::Impl {
  explicit Impl(SymbolicElements &self) : ask{self, context, assumptions} {}

  SymContext context;
  SmallVector<SymAssumption> assumptions;
  Asker ask;
  llvm::BumpPtrAllocator allocator;
  DenseMap<Value, ArrayRef<SymExpr>> shapes;
  DenseMap<std::pair<Value, const SymNode *>, SymExpr> known;
  DenseMap<Value, SymExpr> indices;
  DenseMap<Value, Binding> bindings;
  /// The first value that brings a weight or a constant into the code stands
  /// for all of them.
  DenseMap<Attribute, Value> firstUses;
  uint64_t evaluations = 0, limit = 0;
  unsigned nesting = 0, indexNesting = 0;
  /// A bound was hit below the current question: its answer is not kept.
  bool cut = false;

  SymIndex computeShape(Value value);
  SymIndex argumentShape(BlockArgument arg);
  SymIndex callShape(func::CallOp call, unsigned result);
  void setShape(Value value, SymIndex shape);
  SymExpr compute(Value value, ArrayRef<SymExpr> index);
  SymExpr opaque(Value value, ArrayRef<SymExpr> index);
  SymExpr computeIndex(Value value);
  MaybeSource step(Operation *op, ArrayRef<SymExpr> index);
  SymExpr fromElements(tensor::FromElementsOp op, ArrayRef<SymExpr> index);
  ElementsAttr constantOf(Operation *op);
  template <typename T> T argumentAttr(BlockArgument arg, StringRef name);
};

SymType SymbolicElements::typeOf(Type elementType) {
  if (isa<FloatType>(elementType))
    return SymType::Float;
  return elementType.isInteger(1) ? SymType::Bool : SymType::Int;
}

SymbolicElements::SymbolicElements(Operation *scope)
    : impl(std::make_unique<Impl>(*this)) {
  // Symbols print in the order in which they were met: that of the arguments.
  if (auto function = dyn_cast<FunctionOpInterface>(scope);
      function && !function.isExternal())
    for (BlockArgument arg : function.getArguments()) {
      if (isa<RankedTensorType>(arg.getType()))
        (void)shape(arg);
      else if (arg.getType().isIndex())
        index(arg);
    }
}
SymbolicElements::~SymbolicElements() = default;

SymContext &SymbolicElements::context() { return impl->context; }
ArrayRef<SymAssumption> SymbolicElements::assumptions() const {
  return impl->assumptions;
}
uint64_t SymbolicElements::evaluations() const { return impl->evaluations; }

//===----------------------------------------------------------------------===//
// Asker
//===----------------------------------------------------------------------===//

SymIndex Asker::entries(Value vector) {
  SymIndex result;
  auto type = cast<RankedTensorType>(vector.getType());
  if (type.isDynamicDim(0))
    return result;
  // No tensor has this many axes.
  constexpr int64_t kMaxEntries = 64;
  for (int64_t i = 0; i < std::min(type.getDimSize(0), kMaxEntries); ++i)
    result.push_back(entry(vector, i));
  return result;
}

SymExpr Asker::unify(SymExpr a, SymExpr b, Operation *op) {
  if (!a || !b)
    return a ? a : b;
  if (a == b)
    return a;
  assumptions.push_back({a, b, op});
  if (a.constant())
    return a;
  if (b.constant())
    return b;
  // Names of the entry are older than what is computed from them.
  return a->getId() < b->getId() ? a : b;
}

SymIndex Asker::broadcast(ArrayRef<ArrayRef<SymExpr>> shapes, Operation *op) {
  size_t rank = 0;
  for (ArrayRef<SymExpr> shape : shapes)
    rank = std::max(rank, shape.size());
  SymIndex result;
  for (size_t i = 0; i < rank; ++i) {
    SymExpr extent;
    bool unknown = false;
    for (ArrayRef<SymExpr> shape : shapes) {
      if (shape.size() + i < rank)
        continue;
      SymExpr other = shape[shape.size() + i - rank];
      unknown |= !other;
      if (other && !other.isConstant(1))
        extent = unify(extent, other, op);
    }
    result.push_back(extent ? extent : unknown ? SymExpr() : n(1));
  }
  return result;
}

SymExpr Asker::broadcastElement(Value operand, ArrayRef<SymExpr> index) {
  ArrayRef<SymExpr> extents = shape(operand);
  SymIndex from(index.take_back(extents.size()));
  for (auto [i, extent] : llvm::enumerate(extents))
    if (extent.isConstant(1))
      from[i] = n(0);
  return element(operand, from);
}

//===----------------------------------------------------------------------===//
// Entry
//===----------------------------------------------------------------------===//

template <typename T>
T SymbolicElements::Impl::argumentAttr(BlockArgument arg, StringRef name) {
  auto function =
      dyn_cast_or_null<FunctionOpInterface>(arg.getOwner()->getParentOp());
  if (!function || function.isExternal() ||
      arg.getOwner() != &function.getFunctionBody().front())
    return {};
  return function.getArgAttrOfType<T>(arg.getArgNumber(), name);
}

SymIndex SymbolicElements::Impl::argumentShape(BlockArgument arg) {
  auto type = cast<RankedTensorType>(arg.getType());
  auto dims = argumentAttr<ArrayAttr>(arg, nn::NNDialect::kDims);
  SymIndex shape(type.getRank());
  if (dims && static_cast<int64_t>(dims.size()) == type.getRank())
    for (auto [i, dim] : llvm::enumerate(dims)) {
      if (auto text = dyn_cast<StringAttr>(dim))
        shape[i] = context.parse(text.getValue());
      else if (auto number = dyn_cast<IntegerAttr>(dim))
        if (number.getValue().getSignificantBits() <= 64 &&
            number.getInt() >= 0)
          shape[i] = context.constant(number.getInt());
    }
  return shape;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

void SymbolicElements::Impl::setShape(Value value, SymIndex shape) {
  auto type = cast<RankedTensorType>(value.getType());
  shape.resize(type.getRank());
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (!type.isDynamicDim(i)) {
      SymExpr number = context.constant(type.getDimSize(i));
      if (extent && extent != number)
        assumptions.push_back({extent, number, value.getDefiningOp()});
      extent = number;
    } else if (!extent || extent->getType() != SymType::Int) {
      extent = context.freshSymbol("d");
    }
  }
  SymExpr *data = allocator.Allocate<SymExpr>(shape.size());
  std::uninitialized_copy(shape.begin(), shape.end(), data);
  shapes[value] = ArrayRef<SymExpr>(data, shape.size());
}

/// The callee states its result's extents in `nn.dims` over its own symbols;
/// what these are here follows from the operands.
SymIndex SymbolicElements::Impl::callShape(func::CallOp call, unsigned result) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      call, call.getCalleeAttr());
  auto dims = callee ? dyn_cast_or_null<ArrayAttr>(
                           callee.getResultAttr(result, nn::NNDialect::kDims))
                     : ArrayAttr();
  if (!dims)
    return {};
  DenseMap<SymExpr, SymExpr> map;
  for (auto [i, operand] : llvm::enumerate(call.getOperands())) {
    if (auto symbol =
            callee.getArgAttrOfType<StringAttr>(i, nn::NNDialect::kSymbol)) {
      map[context.symbol(symbol.getValue())] = ask.elements.index(operand);
      continue;
    }
    auto extents = callee.getArgAttrOfType<ArrayAttr>(i, nn::NNDialect::kDims);
    if (!extents || !isa<RankedTensorType>(operand.getType()))
      continue;
    for (auto [entry, extent] : llvm::zip(extents, ask.shape(operand)))
      if (auto text = dyn_cast<StringAttr>(entry))
        if (SymExpr symbol = context.parse(text.getValue());
            symbol.is(SymKind::Symbol))
          map.try_emplace(symbol, extent);
  }
  SymIndex shape;
  for (Attribute entry : dims) {
    if (auto number = dyn_cast<IntegerAttr>(entry))
      shape.push_back(context.constant(number.getInt()));
    else
      shape.push_back(context.substitute(
          context.parse(cast<StringAttr>(entry).getValue()), map));
  }
  return shape;
}

SymIndex SymbolicElements::Impl::computeShape(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op)
    return argumentShape(cast<BlockArgument>(value));
  if (auto call = dyn_cast<func::CallOp>(op))
    return callShape(call, cast<OpResult>(value).getResultNumber());
  // What writes into a destination has its shape.
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return SymIndex(
        ask.shape(destination.getTiedOpOperand(cast<OpResult>(value))->get()));
  if (op->getNumResults() != 1)
    return {};
  for (auto rule :
       {shapeOfElementwise, shapeOfMovement, shapeOfReshape, shapeOfSlice,
        shapeOfGather, shapeOfReduction, shapeOfLayer})
    if (auto shape = rule(ask, op))
      return *shape;
  // Of ops of other dialects, those of plugins among them, traits tell.
  if (op->getNumOperands() &&
      (op->hasTrait<OpTrait::SameOperandsAndResultType>() ||
       op->hasTrait<OpTrait::SameOperandsAndResultShape>()) &&
      isa<RankedTensorType>(op->getOperand(0).getType()))
    return SymIndex(ask.shape(op->getOperand(0)));
  return {};
}

ArrayRef<SymExpr> SymbolicElements::shape(Value value) {
  auto &shapes = impl->shapes;
  if (auto it = shapes.find(value); it != shapes.end())
    return it->second;
  // Each value is met twice: before its operands and after them.
  SmallVector<std::pair<Value, bool>> work = {{value, false}};
  llvm::DenseSet<Value> begun;
  while (!work.empty()) {
    auto [next, ready] = work.pop_back_val();
    if (shapes.contains(next))
      continue;
    if (ready) {
      // Elements that a rule asks for count as one question.
      bool outer = impl->nesting == 0;
      if (outer)
        impl->limit = impl->evaluations + kMaxEvaluations;
      ++impl->nesting;
      bool cut = impl->cut;
      SymIndex shape = impl->computeShape(next);
      impl->cut = cut;
      --impl->nesting;
      if (!shapes.contains(next))
        impl->setShape(next, std::move(shape));
      continue;
    }
    if (!begun.insert(next).second)
      continue; // a cycle, as unreachable code may hold
    work.push_back({next, true});
    if (Operation *op = next.getDefiningOp())
      for (Value operand : op->getOperands())
        if (isa<RankedTensorType>(operand.getType()) &&
            !shapes.contains(operand))
          work.push_back({operand, false});
  }
  return shapes[value];
}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

ElementsAttr SymbolicElements::Impl::constantOf(Operation *op) {
  ElementsAttr values;
  if (matchPattern(op, m_Constant(&values)))
    return values;
  auto get = dyn_cast<nn::GetOp>(op);
  if (!get)
    return {};
  auto weight = SymbolTable::lookupNearestSymbolFrom<nn::WeightOp>(
      op, get.getWeightAttr());
  if (!weight)
    return {};
  auto dense = dyn_cast<nn::DenseSourceAttr>(weight.getSource());
  return dense && dense.getValues().getType() == get.getType()
             ? dense.getValues()
             : ElementsAttr();
}

SymExpr SymbolicElements::Impl::opaque(Value value, ArrayRef<SymExpr> index) {
  SymType type = rules::typeOf(value);
  auto arg = dyn_cast<BlockArgument>(value);
  if (arg) {
    std::string name;
    if (auto given = argumentAttr<StringAttr>(arg, nn::NNDialect::kName))
      name = given.getValue().str();
    else
      name = "arg" + std::to_string(arg.getArgNumber());
    // An integer of the entry at a known place may become an extent: it is a
    // symbol of which nothing is known.
    if (type == SymType::Int) {
      int64_t place = 0;
      bool decided = true;
      for (auto [extent, at] : llvm::zip_equal(ask.shape(value), index)) {
        auto length = extent.constant(), i = at.constant();
        bool first = at == index.front();
        if (!i || *i < 0 || (!length && !first) ||
            (length && (*i >= *length || *length > 1024))) {
          decided = false;
          break;
        }
        place = place * length.value_or(1) + *i;
      }
      if (decided)
        return context.symbol(name + "[" + std::to_string(place) + "]");
    }
    return context.element(value.getAsOpaquePointer(), name, type, index);
  }
  Operation *op = value.getDefiningOp();
  std::string name = op->getName().getStringRef().str();
  Attribute key;
  if (auto get = dyn_cast<nn::GetOp>(op)) {
    key = get.getWeightAttr();
    name = ("@" + get.getWeight()).str();
  } else {
    matchPattern(op, m_Constant(&key));
  }
  if (key)
    value = firstUses.try_emplace(key, value).first->second;
  return context.element(value.getAsOpaquePointer(), name, type, index);
}

MaybeSource SymbolicElements::Impl::step(Operation *op,
                                         ArrayRef<SymExpr> index) {
  for (auto rule : {stepOfMovement, stepOfReshape, stepOfSlice, stepOfGather})
    if (auto source = rule(ask, op, index))
      return source;
  return std::nullopt;
}

SymExpr SymbolicElements::Impl::fromElements(tensor::FromElementsOp op,
                                             ArrayRef<SymExpr> index) {
  if (rules::typeOf(op.getResult()) != SymType::Int)
    return {};
  int64_t place = 0;
  for (auto [extent, at] : llvm::zip_equal(op.getType().getShape(), index)) {
    auto i = at.constant();
    if (!i || *i < 0 || *i >= extent)
      return {};
    place = place * extent + *i;
  }
  return ask.elements.index(op.getElements()[place]);
}

SymExpr SymbolicElements::Impl::compute(Value value, ArrayRef<SymExpr> index) {
  if (auto bound = bindings.find(value); bound != bindings.end())
    return bound->second(index);
  Operation *op = value.getDefiningOp();
  if (!op)
    return opaque(value, index);
  SymExpr result;
  if (ElementsAttr values = constantOf(op)) {
    result = elementOfConstant(ask, values, index);
  } else if (auto parts = dyn_cast<tensor::FromElementsOp>(op)) {
    result = fromElements(parts, index);
  } else if (op->getNumResults() == 1 &&
             llvm::all_of(op->getOperandTypes(), [](Type type) {
               return isa<RankedTensorType, IndexType>(type);
             })) {
    if (auto source = step(op, index))
      result = ask.element(source->value, source->index);
    for (auto rule : {elementOfElementwise, elementOfMovement,
                      elementOfReduction, elementOfLayer})
      if (!result)
        result = rule(ask, op, index);
  }
  if (result)
    return result;
  return cut ? SymExpr() : opaque(value, index);
}

SymExpr SymbolicElements::element(Value value, ArrayRef<SymExpr> index) {
  auto extents = shape(value);
  if (extents.size() != index.size())
    return {};
  SymIndex place(index);
  for (auto [at, extent] : llvm::zip_equal(place, extents)) {
    if (!at)
      return {};
    if (extent.isConstant(1))
      at = impl->context.constant(0);
  }
  SymExpr tuple = impl->context.tuple(place);
  if (!tuple)
    return {};
  auto key = std::make_pair(value, tuple.get());
  if (auto it = impl->known.find(key); it != impl->known.end())
    return it->second;

  if (impl->nesting == 0) {
    impl->limit = impl->evaluations + kMaxEvaluations;
    impl->cut = false;
  }
  if (impl->nesting >= kMaxNesting || impl->evaluations >= impl->limit) {
    impl->cut = true;
    return {};
  }
  ++impl->evaluations;
  ++impl->nesting;
  bool cutBefore = impl->cut;
  impl->cut = false;
  SymExpr result = impl->compute(value, place);
  --impl->nesting;
  if (!impl->cut)
    impl->known[key] = result;
  impl->cut |= cutBefore;
  return result;
}

std::optional<SmallVector<SymExpr>> SymbolicElements::elements(Value value,
                                                               int64_t limit) {
  SmallVector<int64_t> extents;
  int64_t count = 1;
  for (SymExpr extent : shape(value)) {
    auto length = extent.constant();
    if (!length || (*length > 0 && count > limit / *length))
      return std::nullopt;
    count *= *length;
    extents.push_back(*length);
  }
  if (count > limit)
    return std::nullopt;
  SmallVector<SymExpr> result;
  for (int64_t i = 0; i < count; ++i) {
    SymIndex place(extents.size());
    int64_t rest = i;
    for (size_t axis = extents.size(); axis-- > 0;) {
      place[axis] = impl->context.constant(rest % extents[axis]);
      rest /= extents[axis];
    }
    result.push_back(element(value, place));
    if (!result.back())
      return std::nullopt;
  }
  return result;
}

std::optional<SmallVector<int64_t>> SymbolicElements::constants(Value value,
                                                                int64_t limit) {
  if (typeOf(getElementTypeOrSelf(value.getType())) != SymType::Int)
    return std::nullopt;
  auto parts = elements(value, limit);
  if (!parts)
    return std::nullopt;
  SmallVector<int64_t> result;
  for (SymExpr part : *parts) {
    auto number = part.constant();
    if (!number)
      return std::nullopt;
    result.push_back(*number);
  }
  return result;
}

SymIndex SymbolicElements::freshIndex(Value value) {
  SymIndex result;
  for (auto [i, extent] : llvm::enumerate(shape(value)))
    result.push_back(
        extent.isConstant(1)
            ? impl->context.constant(0)
            : impl->context.index("i" + std::to_string(i), extent));
  return result;
}

//===----------------------------------------------------------------------===//
// Index values
//===----------------------------------------------------------------------===//

SymExpr SymbolicElements::index(Value value) {
  if (auto it = impl->indices.find(value); it != impl->indices.end())
    return it->second;
  SymExpr result;
  if (impl->indexNesting < kMaxIndexNesting) {
    ++impl->indexNesting;
    result = impl->computeIndex(value);
    --impl->indexNesting;
  }
  if (!result)
    result =
        impl->context.freshSymbol("n", std::numeric_limits<int64_t>::min());
  return impl->indices[value] = result;
}

SymExpr SymbolicElements::Impl::computeIndex(Value value) {
  SymContext &c = context;
  if (auto arg = dyn_cast<BlockArgument>(value)) {
    auto name = argumentAttr<StringAttr>(arg, nn::NNDialect::kSymbol);
    return name ? c.symbol(name.getValue()) : SymExpr();
  }
  auto operand = [&](unsigned i) {
    return ask.elements.index(value.getDefiningOp()->getOperand(i));
  };
  APInt number;
  if (matchPattern(value, m_ConstantInt(&number)))
    return number.getSignificantBits() <= 64 ? c.constant(number.getSExtValue())
                                             : SymExpr();
  return llvm::TypeSwitch<Operation *, SymExpr>(value.getDefiningOp())
      .Case([&](arith::AddIOp) { return c.add(operand(0), operand(1)); })
      .Case([&](arith::SubIOp) { return c.sub(operand(0), operand(1)); })
      .Case([&](arith::MulIOp) { return c.mul(operand(0), operand(1)); })
      .Case([&](arith::DivSIOp) { return c.truncDiv(operand(0), operand(1)); })
      .Case([&](arith::FloorDivSIOp) {
        return c.floorDiv(operand(0), operand(1));
      })
      .Case(
          [&](arith::CeilDivSIOp) { return c.ceilDiv(operand(0), operand(1)); })
      .Case<arith::DivUIOp, arith::RemUIOp>([&](Operation *op) -> SymExpr {
        SymExpr a = operand(0), b = operand(1);
        if (!c.isNonNegative(a) || !c.isNonNegative(b))
          return {};
        return isa<arith::DivUIOp>(op) ? c.floorDiv(a, b) : c.mod(a, b);
      })
      .Case<arith::MinSIOp, arith::MaxSIOp>([&](Operation *op) {
        SymExpr a = operand(0), b = operand(1);
        return isa<arith::MinSIOp>(op) ? c.min(a, b) : c.max(a, b);
      })
      .Case<arith::MinUIOp, arith::MaxUIOp>([&](Operation *op) -> SymExpr {
        SymExpr a = operand(0), b = operand(1);
        if (!c.isNonNegative(a) || !c.isNonNegative(b))
          return {};
        return isa<arith::MinUIOp>(op) ? c.min(a, b) : c.max(a, b);
      })
      .Case<arith::IndexCastOp, arith::IndexCastUIOp>(
          [&](Operation *) { return operand(0); })
      .Case([&](tensor::DimOp op) -> SymExpr {
        auto axis = op.getConstantIndex();
        auto type = dyn_cast<RankedTensorType>(op.getSource().getType());
        if (!axis || !type || *axis < 0 || *axis >= type.getRank())
          return {};
        return ask.dim(op.getSource(), *axis);
      })
      .Case([&](tensor::ExtractOp op) -> SymExpr {
        SymIndex place;
        for (Value i : op.getIndices())
          place.push_back(ask.elements.index(i));
        SymExpr result = ask.element(op.getTensor(), place);
        return result && result->getType() == SymType::Int ? result : SymExpr();
      })
      .Default([](Operation *) { return SymExpr(); });
}

//===----------------------------------------------------------------------===//
// Tracing
//===----------------------------------------------------------------------===//

std::optional<ElementSource>
SymbolicElements::traceStep(const ElementSource &element) {
  Operation *op = element.value.getDefiningOp();
  if (!op || op->getNumResults() != 1 ||
      shape(element.value).size() != element.index.size() ||
      llvm::any_of(element.index, [](SymExpr i) { return !i; }))
    return std::nullopt;
  auto source = impl->step(op, element.index);
  if (!source || shape(source->value).size() != source->index.size())
    return std::nullopt;
  for (auto [at, extent] : llvm::zip_equal(source->index, shape(source->value)))
    if (extent.isConstant(1))
      at = impl->context.constant(0);
  return source;
}

ElementSource SymbolicElements::trace(Value value, ArrayRef<SymExpr> index) {
  ElementSource element{value, SymIndex(index)};
  while (auto next = traceStep(element))
    element = std::move(*next);
  return element;
}

void SymbolicElements::bind(Value value, Binding binding) {
  impl->bindings[value] = std::move(binding);
  impl->known.clear();
}
