//===- CalibrateModel.cpp - What inputs of matrices are like --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The model is measured as it will run but for rounding: columns and what makes
// inputs have their scales already, so that statistics are those of the very
// values which the kernels of the compressed model read.
//
//===----------------------------------------------------------------------===//
#include "CalibrateModel.h"
#include "llmc/Codegen/Bundle.h"
#include "llmc/Codegen/CodeParts.h"
#include "llmc/Codegen/Pipeline.h"
#include "llmc/Codegen/WriteWeights.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/Measured.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Methods/Method.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Support/Hash.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;
using namespace llmc;

/// Longest piece of a window that is worked on at once, in tokens: bounds the
/// arena and the logits.
static constexpr int64_t kChunk = 256;

/// Whether a recipe leaves the activations of some matrices to a calibration.
static bool measuresActivations(const Recipe &recipe) {
  return llvm::any_of(recipe.quantize, [](const QuantizeRule &rule) {
    return rule.activations == ActivationRule::Auto &&
           !rule.description.isDense();
  });
}

/// Whether what the inputs of matrices are like makes no difference.
static bool onlyRounds(const Recipe &recipe) {
  return llvm::all_of(recipe.quantize, [](const QuantizeRule &rule) {
    return rule.isRounding();
  });
}

Fault llmc::readCalibration(const CompileRequest &request, bool writesWeights,
                            Recipe &recipe, std::string &key,
                            CalibrationLine &line) {
  if (!request.calibration.empty()) {
    if (recipe.quantize.empty())
      return Fault::usage("--calibration is for recipes that compress, and '" +
                          recipe.name + "' does not; leave it out");
    if (onlyRounds(recipe))
      return Fault::usage("--calibration is for methods that weigh errors, and "
                          "'" +
                          recipe.name +
                          "' rounds every number by itself; leave it out");
    if (!recipe.calibration)
      recipe.calibration.emplace();
    recipe.calibration->data = request.calibration;
  }
  if (!recipe.calibration)
    return {};
  const CalibrationRule &rule = *recipe.calibration;
  if (!writesWeights && measuresActivations(recipe))
    return Fault::usage("the recipe chooses activations by its calibration, "
                        "which runs where weights are written; make a bundle, "
                        "or write i8 or i16 for auto");
  auto file = FileMap::open(rule.data);
  if (!file)
    return Fault::input("calibration: " + llvm::toString(file.takeError()));
  llvm::ArrayRef<char> bytes = (*file)->bytes();
  if (bytes.empty())
    return Fault::input("'" + rule.data +
                        "' is empty, and calibration runs the model on "
                        "it; give a text of some thousand words");
  auto host = Target::resolve("host");
  if (!host)
    return Fault::input(llvm::toString(host.takeError()));
  line.text = llvm::sys::path::filename(rule.data).str();
  line.hash = hashText(bytes.data(), bytes.size());
  key = llvm::formatv("calibration {0} {1} {2} {3} {4}\n", line.hash,
                      rule.samples, rule.length, host->cpu, host->features);
  return {};
}

Fault llmc::checkCalibration(CalibrationRule &rule,
                             const CompileRequest &request, bool hasLm,
                             const ModelFolder &folder, int64_t context) {
  if (!hasLm)
    return Fault::input(
        request.entry == "main"
            ? "calibration runs the entry lm on a text, which --entry main "
              "leaves out; leave one of them out"
            : "calibration runs a language model on a text, and this model is "
              "none; leave it out");
  if (llvm::none_of(folder.files, [](llvm::StringRef file) {
        return llvm::sys::path::filename(file) == "tokenizer.json";
      }))
    return Fault::input("calibration cuts a text into tokens, and no "
                        "tokenizer.json lies beside the model; put it there, "
                        "or leave the calibration out");
  if (!rule.hasLength)
    rule.length = std::min(rule.length, context);
  if (rule.length > context)
    return Fault::usage("expected windows of the calibration of at most the "
                        "context, " +
                        std::to_string(context) +
                        " tokens, but got a length "
                        "of " +
                        std::to_string(rule.length));
  return {};
}

namespace {

/// The machine is to blame where an error carries a code of the system.
Fault toFault(llvm::Error error) {
  if (!error)
    return {};
  Fault fault = Fault::input("");
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase &info) {
    if (info.convertToErrorCode() != llvm::inconvertibleErrorCode())
      fault.blame = Blame::Machine;
    fault.text += (fault.text.empty() ? "" : "\n") + info.message();
  });
  return fault;
}

/// The model with taps, and the bundle that becomes of it.
class Tapped {
public:
  explicit Tapped(const CalibrationJob &job)
      : job(job), module(job.model.module->clone()) {}

  Fault make(BundleFolder &place) {
    auto host = Target::resolve("host");
    if (!host)
      return toFault(host.takeError());
    target = *host;
    stripMethods();
    if (Fault fault = runPasses([&](OpPassManager &pm) {
          pm.addNestedPass<func::FuncOp>(createInsertTapsPass());
          buildPackPipeline(pm, target, /*specialize=*/false);
        }))
      return fault;
    describe();
    auto placed = placeWeights(*module);
    if (!placed)
      return toFault(placed.takeError());
    weights = std::move(*placed);
    contents.languageModel->bytesPerToken = weights.dataBytes;
    if (Fault fault = runPasses([&](OpPassManager &pm) {
          buildLowerPipeline(pm);
          buildBufferizePipeline(pm);
          buildLLVMPipeline(pm, target);
        }))
      return fault;
    return toFault(write(place));
  }

private:
  /// All of f32, and nothing but the language model.
  void stripMethods() {
    for (auto weight : module->getOps<nn::WeightOp>())
      for (NamedAttribute attribute :
           llvm::to_vector(weight->getDiscardableAttrs()))
        if (isa_and_nonnull<pack::PackDialect>(attribute.getNameDialect()))
          weight->removeAttr(attribute.getName());
    if (auto function = module->lookupSymbol<func::FuncOp>("main"))
      function.erase();
  }

  Fault runPasses(llvm::function_ref<void(OpPassManager &)> build) {
    PassManager pm(module->getContext(), ModuleOp::getOperationName());
    build(pm);
    // What is wrong has been said.
    return failed(pm.run(*module))
               ? Fault::input("cannot compile this model for its calibration")
               : Fault();
  }

  void describe() {
    auto lm = module->lookupSymbol<func::FuncOp>("lm");
    LanguageModelInfo info;
    info.vocabulary =
        cast<RankedTensorType>(lm.getResultTypes().front()).getShape().back();
    info.context = job.context;
    info.chunk = std::min(kChunk, job.rule.length);
    info.bos = job.folder.bos;
    info.eos = job.folder.eos;
    contents.entries.push_back(describeEntry(lm, {info.chunk, info.context}));
    contents.languageModel = std::move(info);
    contents.triple = target.triple;
    contents.cpu = target.cpu;
    contents.features = getRequiredFeatures(target);
    contents.recipe = "f32";
    contents.sourceFile = llvm::sys::path::filename(job.model.file).str();
    contents.sourceBytes = static_cast<int64_t>(job.model.fileBytes());
    contents.sourceHash = job.model.fileHash();
    contents.files = job.folder.files;
  }

  llvm::Error write(BundleFolder &place) {
    std::atomic<bool> stopped = false;
    auto parts = CodeParts::create(*module, target);
    if (!parts)
      return parts.takeError();
    auto objects = parts->emit(job.threads, stopped);
    if (!objects)
      return objects.takeError();
    contents.objects = *objects;
    MethodSet none;
    if (llvm::Error error = writeWeightFile(
            weights, none, *job.model.weights, place.path(kWeightsFile),
            job.threads, place.getJournal(), stopped, [](int64_t) {}))
      return error;
    return writeBundle(place, contents, weights);
  }

  const CalibrationJob &job;
  OwningOpRef<ModuleOp> module;
  Target target;
  BundleContents contents;
  WeightFile weights;
};

/// The sums of all taps of a weight.
struct Sums {
  /// Of |x| and of x^2, by column.
  std::vector<double> absolute, square;
  double error = 0, tokens = 0;

  void add(ArrayRef<double> tap, int64_t count) {
    size_t columns = tap.size() / 3;
    absolute.resize(columns);
    square.resize(columns);
    for (size_t k = 0; k < columns; ++k) {
      absolute[k] += tap[k];
      square[k] += tap[columns + k];
      error += tap[2 * columns + k];
    }
    tokens += static_cast<double>(count);
  }
};

} // namespace

/// Writes what was measured to a weight.
static Fault attach(nn::WeightOp weight, const Sums &sums) {
  double total = 0;
  std::vector<float> means;
  for (const auto *list : {&sums.absolute, &sums.square})
    for (double sum : *list)
      means.push_back(static_cast<float>(sum / sums.tokens));
  for (double sum : sums.square)
    total += sum;
  for (float mean : means)
    if (!std::isfinite(mean))
      return Fault::input(
          ("the text of the calibration makes inputs of '" +
           weight.getSymName() +
           "' that are no finite numbers; calibrate with another text")
              .str());
  Builder builder(weight.getContext());
  auto type = RankedTensorType::get(
      {2, static_cast<int64_t>(sums.square.size())}, builder.getF32Type());
  weight->setAttr(pack::kStatistics,
                  DenseElementsAttr::get(type, ArrayRef<float>(means)));
  weight->setAttr(
      pack::kRounding,
      builder.getF64FloatAttr(total > 0 ? std::sqrt(sums.error / total) : 0));
  return {};
}

Fault llmc::calibrateModel(const CalibrationJob &job, CalibrationRun &run) {
  BundleFolder place;
  if (llvm::Error error = place.beginInside(job.place, "calibration"))
    return toFault(std::move(error));
  if (Fault fault = Tapped(job).make(place))
    return fault;
  ModuleOp module = *job.model.module;
  SmallVector<TapPlace> taps =
      findTapPlaces(module.lookupSymbol<func::FuncOp>("lm"));
  run.bundle = place.path("");
  run.taps = static_cast<int64_t>(taps.size());
  run.text = job.rule.data;
  run.samples = job.rule.samples;
  run.length = job.rule.length;
  run.threads = job.threads;
  run.progress = job.progress;
  if (Fault fault = job.calibrate(run))
    return fault;
  llvm::MapVector<StringRef, Sums> measured;
  for (auto [tap, sums] : llvm::zip_equal(taps, run.sums))
    for (StringRef weight : tap.weights)
      measured[weight].add(sums, run.tokens);
  SymbolTable symbols(module);
  for (auto &[name, sums] : measured)
    if (Fault fault = attach(symbols.lookup<nn::WeightOp>(name), sums))
      return fault;
  return {};
}
