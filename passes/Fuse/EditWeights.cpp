//===- EditWeights.cpp - Ops on weights become edited sources -------------
//===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/Matching.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_EDITWEIGHTSPASS
#include "llmc/Passes/FusePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// What a value that is known when compiling consists of.
struct Known {
  Attribute source;
  RankedTensorType type;
  StringAttr origin; ///< the weight, or the name of the constant
};

/// The axis-0 rows of `source`; rows of rows are rows.
Attribute takeRows(Attribute source, int64_t begin, int64_t end) {
  if (auto rows = dyn_cast<nn::RowsSourceAttr>(source))
    return nn::RowsSourceAttr::get(source.getContext(), rows.getSource(),
                                   rows.getBegin() + begin,
                                   rows.getBegin() + end);
  return nn::RowsSourceAttr::get(source.getContext(), source, begin, end);
}

class Editor {
public:
  explicit Editor(ModuleOp module)
      : module(module), symbols(module), rewriter(module.getContext()) {}

  void run() {
    module.walk([&](Operation *op) { editOp(op); });
    unifyEqualSources();
    removeUnused();
  }

private:
  void editOp(Operation *op) {
    if (op->getNumResults() == 1 && !isa<nn::GetOp, arith::ConstantOp>(op)) {
      if (auto known = edit(op)) {
        replace(op->getResult(0), *known);
        return;
      }
    }
    // Parameters of layers are weights, small ones too.
    auto parameters = [&]() -> MutableArrayRef<OpOperand> {
      if (isa<nn::LinearOp, nn::RmsNormOp, nn::LayerNormOp, nn::ConvOp>(op))
        return op->getOpOperands().drop_front();
      if (isa<nn::GatherOp>(op))
        return op->getOpOperands().take_front();
      return {};
    }();
    for (OpOperand &parameter : parameters) {
      auto constant = parameter.get().getDefiningOp<arith::ConstantOp>();
      if (!constant)
        continue;
      auto known = getKnown(constant.getResult());
      if (known && known->type.getRank() > 0)
        parameter.set(makeGet(constant, *known));
    }
  }

  /// What `value` is, if it is a weight or a floating point constant.
  std::optional<Known> getKnown(Value value) {
    if (auto get = value.getDefiningOp<nn::GetOp>()) {
      auto weight = symbols.lookup<nn::WeightOp>(get.getWeight());
      auto type = weight ? dyn_cast<RankedTensorType>(weight.getType())
                         : RankedTensorType();
      if (!type)
        return std::nullopt;
      return Known{weight.getSource(), type, weight.getSymNameAttr()};
    }
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    auto elements =
        constant ? dyn_cast<ElementsAttr>(constant.getValue()) : ElementsAttr();
    auto type = elements ? dyn_cast<RankedTensorType>(elements.getType())
                         : RankedTensorType();
    if (!type || !isa<FloatType>(type.getElementType()))
      return std::nullopt;
    StringAttr name;
    if (auto named = constant->getLoc()->findInstanceOf<NameLoc>())
      name = named.getName();
    return Known{nn::DenseSourceAttr::get(module.getContext(), elements), type,
                 name};
  }

  /// What `op` makes of a weight, if it is an edit.
  std::optional<Known> edit(Operation *op) {
    auto result = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!result || op->getNumOperands() == 0 || !result.hasStaticShape())
      return std::nullopt;
    if (auto concat = dyn_cast<nn::ConcatOp>(op)) {
      SmallVector<Attribute> parts;
      StringAttr origin;
      for (Value input : concat.getInputs()) {
        auto part = getKnown(input);
        if (!part || concat.getAxis() != 0)
          return std::nullopt;
        parts.push_back(part->source);
        origin = origin ? origin : part->origin;
      }
      return Known{nn::ConcatSourceAttr::get(op->getContext(), parts), result,
                   origin};
    }
    if (isa<nn::AddOp, nn::MulOp>(op)) {
      for (int i : {0, 1}) {
        auto known = getKnown(op->getOperand(i));
        auto scalar = getScalar(op->getOperand(1 - i));
        if (!known || !scalar || known->type != result ||
            known->type.getRank() == 0)
          continue;
        Builder builder(op->getContext());
        bool add = isa<nn::AddOp>(op);
        known->source = nn::AffineSourceAttr::get(
            op->getContext(), known->source,
            builder.getF64FloatAttr(add ? 1 : *scalar),
            builder.getF64FloatAttr(add ? *scalar : 0));
        return known;
      }
      return std::nullopt;
    }
    auto known = getKnown(op->getOperand(0));
    if (!known || known->type.getRank() == 0)
      return std::nullopt;
    if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
      known->source = nn::permuteSource(known->source, transpose.getPerm());
    } else if (auto slice = dyn_cast<nn::SliceOp>(op)) {
      auto starts = nn::getConstantInts(slice.getStarts());
      auto ends = nn::getConstantInts(slice.getEnds());
      if (!starts || !ends || slice.getAxes() != ArrayRef<int64_t>{0} ||
          slice.getSteps() != ArrayRef<int64_t>{1} || (*starts)[0] < 0 ||
          (*ends)[0] > known->type.getDimSize(0) || (*ends)[0] < (*starts)[0])
        return std::nullopt;
      known->source = takeRows(known->source, (*starts)[0], (*ends)[0]);
    } else if (isa<nn::ReshapeOp, nn::SqueezeOp, nn::UnsqueezeOp>(op)) {
      known->source = nn::ReshapeSourceAttr::get(
          op->getContext(), known->source, result.getShape());
    } else if (isa<nn::CastOp>(op)) {
      if (!isa<FloatType>(result.getElementType()) ||
          !isa<FloatType>(known->type.getElementType()))
        return std::nullopt;
      known->source = nn::CastSourceAttr::get(op->getContext(), known->source,
                                              result.getElementType());
    } else {
      return std::nullopt;
    }
    known->type = result;
    return known;
  }

  Value makeGet(Operation *at, const Known &known) {
    nn::WeightOp weight = findOrDeclare(known, at->getLoc());
    OpBuilder builder(at);
    return nn::GetOp::create(builder, at->getLoc(), known.type,
                             FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  }

  void replace(Value value, const Known &known) {
    Operation *op = value.getDefiningOp();
    rewriter.replaceOp(op, makeGet(op, known));
  }

  /// The weight of that source and type; declared before the first function
  /// where there is none.
  nn::WeightOp findOrDeclare(const Known &known, Location loc) {
    if (declared.empty())
      for (auto weight : module.getOps<nn::WeightOp>())
        declared.try_emplace({weight.getSource(), weight.getType()}, weight);
    auto &weight = declared[{known.source, known.type}];
    if (weight)
      return weight;
    OpBuilder builder(module.getContext());
    Operation *place =
        module.getBody()->empty() ? nullptr : &module.getBody()->front();
    while (place && isa<nn::WeightOp>(place))
      place = place->getNextNode();
    if (place)
      builder.setInsertionPoint(place);
    else
      builder.setInsertionPointToEnd(module.getBody());
    StringRef hint = known.origin ? known.origin.getValue() : "constant";
    weight = nn::WeightOp::create(builder, loc, hint, known.type, known.source);
    // The table makes the name unique; the place is the one chosen above.
    weight->remove();
    symbols.insert(weight,
                   place ? Block::iterator(place) : module.getBody()->end());
    if (known.origin)
      if (auto original = symbols.lookup<nn::WeightOp>(known.origin);
          original && original != weight) {
        // Intermediate edits hand on the weight they come from.
        nn::WeightOp root = roots.lookup(original);
        roots[weight] = root ? root : original;
        derived[roots[weight]].push_back(weight);
      }
    return weight;
  }

  llvm::MapVector<StringAttr, SmallVector<nn::GetOp>> collectUses() {
    llvm::MapVector<StringAttr, SmallVector<nn::GetOp>> uses;
    module.walk([&](nn::GetOp get) {
      uses[get.getWeightAttr().getAttr()].push_back(get);
    });
    return uses;
  }

  void unifyEqualSources() {
    DenseMap<std::pair<Attribute, Type>, StringAttr> first;
    DenseMap<StringAttr, StringAttr> representative;
    for (auto weight : module.getOps<nn::WeightOp>())
      representative[weight.getSymNameAttr()] =
          first
              .try_emplace({weight.getSource(), weight.getType()},
                           weight.getSymNameAttr())
              .first->second;
    module.walk([&](nn::GetOp get) {
      StringAttr name = representative.lookup(get.getWeightAttr().getAttr());
      if (name && name != get.getWeightAttr().getAttr())
        get.setWeightAttr(FlatSymbolRefAttr::get(name));
    });
  }

  void removeUnused() {
    module.walk([&](nn::GetOp get) {
      if (get->use_empty())
        get.erase();
    });
    auto uses = collectUses();
    auto isUsed = [&](nn::WeightOp weight) {
      return uses.count(weight.getSymNameAttr()) != 0;
    };
    SmallVector<std::pair<std::string, SmallVector<nn::WeightOp>>> heirs;
    for (auto &[original, weights] : derived) {
      SmallVector<nn::WeightOp> used;
      for (nn::WeightOp weight : weights)
        if (isUsed(weight))
          used.push_back(weight);
      if (!isUsed(original) && !used.empty())
        heirs.push_back({original.getSymName().str(), used});
    }
    SmallVector<nn::WeightOp> unused;
    for (auto weight : module.getOps<nn::WeightOp>())
      if (!isUsed(weight))
        unused.push_back(weight);
    for (nn::WeightOp weight : unused)
      symbols.erase(weight);
    for (auto &[name, weights] : heirs)
      for (auto [i, weight] : llvm::enumerate(weights))
        rename(weight, heirName(name, i, weights.size()), uses);
  }

  /// What a person calls part `i` of `count` of the weight `name`.
  static std::string heirName(StringRef name, size_t i, size_t count) {
    if (count == 1)
      return name.str();
    auto part = [&](StringRef whole, StringRef one) {
      auto [before, after] = name.split(whole);
      return (before + one + after).str();
    };
    if (count == 3 && name.contains("qkv"))
      return part("qkv", StringRef("qkv").substr(i, 1));
    if (count == 2 && name.contains("gate_up"))
      return part("gate_up", i == 0 ? "gate" : "up");
    return (name + "." + Twine(i)).str();
  }

  void rename(nn::WeightOp weight, const std::string &name,
              llvm::MapVector<StringAttr, SmallVector<nn::GetOp>> &uses) {
    if (weight.getSymName() == name || symbols.lookup(name))
      return;
    SmallVector<nn::GetOp> gets = uses[weight.getSymNameAttr()];
    symbols.remove(weight);
    weight.setSymName(name);
    Block::iterator place = std::next(Block::iterator(weight));
    weight->remove();
    symbols.insert(weight, place);
    for (nn::GetOp get : gets)
      get.setWeightAttr(FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    uses[weight.getSymNameAttr()] = gets;
  }

  ModuleOp module;
  SymbolTable symbols;
  IRRewriter rewriter;
  llvm::DenseMap<std::pair<Attribute, Type>, nn::WeightOp> declared;
  llvm::MapVector<nn::WeightOp, SmallVector<nn::WeightOp>> derived;
  llvm::DenseMap<nn::WeightOp, nn::WeightOp> roots;
};

struct EditWeightsPass : llmc::impl::EditWeightsPassBase<EditWeightsPass> {
  void runOnOperation() override { Editor(getOperation()).run(); }
};

} // namespace
