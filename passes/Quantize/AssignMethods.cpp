//===- AssignMethods.cpp - A method for every matrix ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "FoldScale.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Recipes/Recipe.h"
#include "llmc/Weights/StoredFormat.h"

#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace llmc {
#define GEN_PASS_DEF_ASSIGNMETHODSPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// How the code reads a weight.
struct Reads {
  unsigned uses = 0;
  /// Whether a product has a gated product as its input.
  bool gated = false;
  /// The op that needs the numbers themselves; empty if there is none.
  StringRef other;
};

struct AssignMethods : llmc::impl::AssignMethodsPassBase<AssignMethods> {
  using AssignMethodsPassBase::AssignMethodsPassBase;
  AssignMethods(const Recipe &given, const WeightStore &store)
      : given(&given), store(&store) {}

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Recipe loaded;
    if (!given) {
      PluginSet plugins;
      auto result = loadRecipe(recipe, plugins.getRecipeScope());
      if (!result) {
        module.emitError(llvm::toString(result.takeError()));
        return signalPassFailure();
      }
      loaded = std::move(*result);
    }
    const Recipe &rules = given ? *given : loaded;
    if (rules.quantize.empty())
      return;

    llvm::MapVector<StringAttr, Reads> reads;
    module.walk([&](nn::GetOp get) {
      Reads &entry = reads[get.getWeightAttr().getAttr()];
      for (OpOperand &use : get->getUses())
        if (unsigned how = classify(use)) {
          entry.uses |= how;
          auto linear = dyn_cast<nn::LinearOp>(use.getOwner());
          entry.gated |= linear && findGatedProduct(linear.getInput());
        } else {
          entry.other = use.getOwner()->getName().getStringRef();
        }
    });
    SymbolTable symbols(module);
    unsigned fitting = 0;
    SmallVector<StringRef> matrices;
    for (auto &[name, how] : reads) {
      auto weight = symbols.lookup<nn::WeightOp>(name);
      auto type = weight ? dyn_cast<RankedTensorType>(weight.getType())
                         : RankedTensorType();
      if (!type || type.getRank() != 2 || !type.hasStaticShape() ||
          type.getNumElements() == 0 || !how.uses)
        continue;
      matrices.push_back(name);
      fitting += assign(weight, type, how, rules);
    }
    if (!matrices.empty() && !fitting) {
      InFlightDiagnostic error = module.emitError("recipe '");
      error << rules.name << "' fits none of the " << matrices.size()
            << " matrices of this model, such as ";
      llvm::interleaveComma(
          ArrayRef(matrices).take_front(3), error,
          [&](StringRef name) { error << "'" << name << "'"; });
      error << "; '--recipe f32 --dry-run --json' lists all";
      signalPassFailure();
    }
  }

  static unsigned classify(OpOperand &use) {
    if (!readsPacked(use))
      return 0;
    return isa<nn::LinearOp>(use.getOwner()) ? kReadByLinear : kReadByGather;
  }

  /// Returns whether a rule fits.
  bool assign(nn::WeightOp weight, RankedTensorType type, const Reads &how,
              const Recipe &rules) {
    Builder builder(weight.getContext());
    auto keep = [&](const Twine &reason) {
      weight->setAttr(pack::PackDialect::kKept, builder.getStringAttr(reason));
    };
    const QuantizeRule *rule = rules.find(weight.getSymName(), how.uses);
    if (!rule) {
      keep("no rule of the recipe fits");
      return false;
    }
    if (!type.getElementType().isF32())
      keep("its element type is not f32");
    else if (!how.other.empty())
      keep("it is also read by " + how.other);
    else if (rule->method == kKeepMethod)
      assignStored(weight, keep);
    else if (rule->isRounding() && rule->description.dense == RealType::F32)
      keep("the recipe leaves it in f32");
    else
      weight->setAttr(
          pack::PackDialect::kMethod,
          pack::MethodAttr::get(
              builder.getContext(), rule->method, rule->format,
              buildSettings(builder, rule->settings),
              pack::buildDefinition(builder.getContext(), rule->description)));
    if (Type inputs = getActivations(*rule, how, rules, builder);
        inputs && weight->hasAttr(pack::PackDialect::kMethod))
      weight->setAttr(pack::PackDialect::kActivations, TypeAttr::get(inputs));
    if (isMeasured(*rule, rules) &&
        weight->hasAttr(pack::PackDialect::kMethod) &&
        (how.uses & kReadByLinear))
      weight->setAttr(pack::kMeasured, builder.getUnitAttr());
    return true;
  }

  /// Whether it is left to a calibration what inputs are rounded to.
  static bool isMeasured(const QuantizeRule &rule, const Recipe &rules) {
    return rules.calibration && rule.activations == ActivationRule::Auto &&
           !rule.description.isDense();
  }

  /// What inputs are rounded to, where it is not i8. Those of products of numbers
  /// are not rounded.
  static Type getActivations(const QuantizeRule &rule, const Reads &how,
                             const Recipe &rules, Builder &builder) {
    if (!(how.uses & kReadByLinear) || isMeasured(rule, rules) ||
        rule.description.isDense())
      return {};
    if (rule.activations == ActivationRule::F32)
      return builder.getF32Type();
    if (rule.activations == ActivationRule::BF16)
      return builder.getBF16Type();
    if (rule.activations == ActivationRule::I16 ||
        (rule.activations == ActivationRule::Auto && how.gated))
      return builder.getIntegerType(16);
    return {};
  }

  /// Keeps the codes of a weight that comes compressed.
  void assignStored(nn::WeightOp weight,
                    llvm::function_ref<void(const Twine &)> keep) {
    WeightStore none; // values in the IR need no store
    auto format = findStoredFormat(store ? *store : none, weight.getSource());
    StringRef numbers = findNumbers(weight.getSource());
    if (format || !numbers.empty())
      weight->setAttr(
          pack::PackDialect::kMethod,
          pack::MethodAttr::get(weight.getContext(), kKeepMethod,
                                format ? StringRef(*format) : numbers,
                                DictionaryAttr(), DictionaryAttr()));
    if (!format && !numbers.empty())
      llvm::consumeError(format.takeError());
    else if (!format)
      keep("the recipe keeps it as it comes, but " +
           llvm::toString(format.takeError()));
  }

  /// The format of numbers of 16 bits that a weight consists of, in whatever order;
  /// empty where it has others.
  static StringRef findNumbers(Attribute source) {
    while (true) {
      auto type = nn::getSourceType(source, [&] {
        return emitError(UnknownLoc::get(source.getContext()));
      });
      if (!type)
        return "";
      if (type.getElementType().isBF16())
        return "bf16";
      if (type.getElementType().isF16())
        return "f16";
      if (auto wide = dyn_cast<nn::CastSourceAttr>(source);
          wide && type.getElementType().isF32())
        source = wide.getSource();
      else if (auto moved = dyn_cast<nn::TransposeSourceAttr>(source))
        source = moved.getSource();
      else if (auto rows = dyn_cast<nn::RowsSourceAttr>(source))
        source = rows.getSource();
      else if (auto shaped = dyn_cast<nn::ReshapeSourceAttr>(source))
        source = shaped.getSource();
      else
        return "";
    }
  }

  static DictionaryAttr
  buildSettings(Builder &builder,
                ArrayRef<std::pair<std::string, std::string>> settings) {
    if (settings.empty())
      return {};
    SmallVector<NamedAttribute> entries;
    for (const auto &[key, value] : settings)
      entries.push_back(
          builder.getNamedAttr(key, builder.getStringAttr(value)));
    return builder.getDictionaryAttr(entries);
  }

  const Recipe *given = nullptr;
  const WeightStore *store = nullptr;
};

} // namespace

std::unique_ptr<Pass> llmc::createAssignMethodsPass(const Recipe &recipe,
                                                    const WeightStore &store) {
  return std::make_unique<AssignMethods>(recipe, store);
}
