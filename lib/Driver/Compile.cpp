//===- Compile.cpp - From a model to a bundle -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The whole way of `llmc compile`, step by step:
//   import -> fuse -> derive @lm -> pack -> specialize, outline -> lower ->
//   bufferize -> kernels and loops -> LLVM -> objects -> bundle.
// Weights are written while LLVM is at work.
// Steps are timed and named; `--emit` stops after one of them.
//
//===----------------------------------------------------------------------===//
#include "CalibrateModel.h"
#include "CompilePlan.h"
#include "CompileRecord.h"
#include "EntryAdvice.h"
#include "ExitCode.h"
#include "IdleRules.h"
#include "Progress.h"
#include "RunKey.h"
#include "llmc/Codegen/Bundle.h"
#include "llmc/Codegen/CodeParts.h"
#include "llmc/Codegen/Conventions.h"
#include "llmc/Codegen/Emit.h"
#include "llmc/Codegen/Packaging.h"
#include "llmc/Codegen/Pipeline.h"
#include "llmc/Codegen/Target.h"
#include "llmc/Codegen/WriteWeights.h"
#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Driver/CompileRequest.h"
#include "llmc/Driver/ModelFolder.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Export/Export.h"
#include "llmc/Import/Import.h"
#include "llmc/Passes/AnalysisPasses.h"
#include "llmc/Passes/CodegenPasses.h"
#include "llmc/Passes/FusePasses.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/LowerPasses.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Passes/RestructurePasses.h"
#include "llmc/Plugin/PluginSet.h"
#include "llmc/Plugin/Sandbox.h"
#include "llmc/Plugin/Slots.h"
#include "llmc/Recipes/Recipe.h"

#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <atomic>
#include <chrono>
#include <future>

using namespace mlir;
using namespace llmc;
namespace json = llvm::json;

namespace {

/// Longest piece of a prompt that goes through the model at once, in tokens:
/// bounds the arena.
constexpr int64_t kDefaultChunk = 512;
/// Context of a model whose files name none.
constexpr int64_t kDefaultContext = 2048;

class Compilation : ColumnScaleClient {
public:
  explicit Compilation(const CompileRequest &request)
      : request(request), progress(request.progress && !request.quiet) {}

  int run() {
    int code = compile();
    if (code == MachineAtFault)
      if (std::string kept = place.keepWork(); !kept.empty())
        llvm::errs() << "llmc: note: what is done stays in '" << kept
                     << "', and the same command goes on from there\n";
    return code;
  }

private:
  int compile() {
    registerAllDialects(registry);
    // Pipelines of plugins name passes.
    registerAllPasses();
    plugins.setDialects(registry);
    context.getDiagEngine().registerHandler(
        [&](Diagnostic &diagnostic) { return report(diagnostic); });
    context.disableMultithreading();

    if (request.pluginSandbox)
      plugins.setTrial(request.pluginSeconds);
    if (llvm::Error error =
            plugins.loadAll(request.pluginFolders, request.plugins))
      return fail(UsageAtFault, llvm::toString(std::move(error)));
    auto loaded = loadRecipe(request.recipe, plugins.getRecipeScope());
    if (!loaded)
      return fail(UsageAtFault, llvm::toString(loaded.takeError()));
    recipe = std::move(*loaded);
    if (!request.match.empty())
      if (llvm::Error error = recipe.restrictTo(request.match))
        return fail(UsageAtFault,
                    "--match: " + llvm::toString(std::move(error)));
    if (Fault fault = readCalibration(request, hasWeights() || isExport(),
                                      recipe, calibrationKey, calibration))
      return fail(fault);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    if (request.verbose && !request.quiet)
      llvm::errs() << plugins.describe();
    if (request.pluginSandbox)
      if (int code = startSandbox())
        return code;
    auto resolved = Target::resolve(request.target);
    if (!resolved)
      return fail(UsageAtFault, llvm::toString(resolved.takeError()));
    target = *resolved;
    if (request.emit == "exe" &&
        llvm::Triple(target.triple).getArch() !=
            llvm::Triple(llvm::sys::getDefaultTargetTriple()).getArch())
      return fail(UsageAtFault,
                  "a program is made of the one that compiles, so it cannot be "
                  "for " +
                      target.triple + "; make a bundle or a library for it");

    if (int code = step("import", [&] { return importModel(); }))
      return code;
    if (int code = visitSlot(Slot::AfterImport))
      return code;
    if (isExport())
      if (llvm::Error error = checkOutput(model, request.output, request.force))
        return fail(ModelAtFault, llvm::toString(std::move(error)));
    if (int code = step("fuse", [&] { return fuse(); }))
      return code;
    if (recipe.calibration) {
      if (Fault fault =
              checkCalibration(*recipe.calibration, request, hasFunction("lm"),
                               folder, getContextLength()))
        return fail(fault);
      calibrationKey += std::to_string(recipe.calibration->length) + "\n";
    }
    if (int code = visitSlot(Slot::AfterFuse))
      return code;
    if (request.emit == "nn")
      return printModule();
    if (int code = step("choose methods", [&] { return assignMethods(); }))
      return code;
    // Before it is known which work of an earlier run may be used.
    if (int code = visitSlot(Slot::Compress))
      return code;
    if (hasWeights() || isExport())
      if (int code = beginFolder())
        return code;
    if (hasWeights())
      shareContext();
    if (int code = step("even out columns", [&] { return scaleColumns(); }))
      return code;
    if (recipe.calibration && (hasWeights() || isExport()))
      if (int code = step("calibrate", [&] { return calibrate(); }))
        return code;
    if (isExport())
      return step("write " + request.emit, [&] { return exportModel(); });
    if (int code = step("pack", [&] { return packAndOutline(); }))
      return code;
    if (int code = visitSlot(Slot::BeforeLower))
      return code;
    if (failed(checkLowered(plugins, *model.module)))
      return ModelAtFault;
    if (int code = step("lower", [&] { return lower(); }))
      return code;
    if (request.emit == "linalg")
      return printModule();
    if (request.dryRun) {
      if (!request.output.empty())
        if (auto place = BundleFolder::settle(request.output); !place)
          return fail(ModelAtFault, llvm::toString(place.takeError()));
      if (int code = step("place memory", [&] { return bufferize(); }))
        return code;
      return printDryRun();
    }
    if (hasWeights())
      return compileBeside();
    if (int code = generate())
      return code;
    if (request.emit == "llvm")
      return printModule();
    llvm::SmallVector<char, 0> code;
    if (int exit = step("emit code", [&] { return emit(code); }))
      return exit;
    return writeOutput(llvm::StringRef(code.data(), code.size()));
  }

  /// Weights are written while passes run, and their threads make types, too.
  /// The threads of passes begin once signals wait for the folder: one that did
  /// not would let a signal end the program before the folder is removed.
  void shareContext() {
    if (countThreads() > 1)
      context.setThreadPool(
          passThreads.emplace(llvm::hardware_concurrency(countThreads())));
  }

  /// From linalg to the LLVM dialect.
  int generate() {
    if (int code = step("place memory", [&] { return bufferize(); }))
      return code;
    if (int code = visitSlot(Slot::BeforeCodegen))
      return code;
    return step("convert", [&] { return convert(); });
  }

  /// Writes weights on threads of their own while code is made: the processor
  /// has work while the other waits for the disk, and neither waits for the last
  /// task of the other.
  int compileBeside() {
    auto weights = std::async(countThreads() > 1 ? std::launch::async
                                                 : std::launch::deferred,
                              [&] { return writeWeights(); });
    int code = generateBeside(weights);
    if (!weights.valid())
      return code;
    stopped = true;
    llvm::consumeError(weights.get());
    return code;
  }

  /// Takes the result of `weights` once the code is on its way.
  int generateBeside(std::future<llvm::Error> &weights) {
    if (int code = generate())
      return code;
    CodeParts parts;
    if (int code = step("translate", [&] { return translate(parts); }))
      return code;
    double seconds = 0;
    auto objects = std::async(
        countThreads() > 1 ? std::launch::async : std::launch::deferred, [&] {
          auto begin = std::chrono::steady_clock::now();
          auto result = parts.emit(countThreads(), stopped);
          std::chrono::duration<double> wall =
              std::chrono::steady_clock::now() - begin;
          seconds = wall.count();
          return result;
        });
    auto finishWeights = [&] {
      progress.expect(weightFile.dataBytes, weightBytes);
      return tellOfWeights(weights.get());
    };
    if (int code = step("write weights", finishWeights)) {
      stopped = true;
      llvm::consumeError(objects.get().takeError());
      return code;
    }
    std::vector<std::string> code;
    auto wait = [&] {
      auto result = objects.get();
      if (!result)
        return fail(ModelAtFault, llvm::toString(result.takeError()));
      code = std::move(*result);
      return int(Done);
    };
    if (int exit = step("emit code", wait))
      return exit;
    record.addCode(seconds);
    if ((request.timing || request.verbose) && !request.quiet)
      llvm::errs() << llvm::formatv(
          "llmc:   {0,-20} {1,8:f3} s\n",
          "code in " + std::to_string(parts.size()) + " parts", seconds);
    return step("write " + request.emit, [&] { return finish(code); });
  }

  int translate(CodeParts &parts) {
    // An archive has one object: names that parts share would meet those of
    // another model in one program.
    auto made = CodeParts::create(*model.module, target,
                                  request.emit == "lib" ? 1 : CodeParts::kMost);
    if (!made)
      return fail(ModelAtFault, llvm::toString(made.takeError()));
    parts = std::move(*made);
    // Large, and nobody asks it any more.
    model.module = nullptr;
    return Done;
  }

  /// The processes of the sandbox are forked from one of this moment, which has
  /// the plugins and no other thread.
  int startSandbox() {
    auto started = Sandbox::start(
        plugins, {request.pluginSeconds, request.pluginMegabytes},
        countThreads());
    if (!started)
      return fail(UsageAtFault, llvm::toString(started.takeError()));
    sandbox = std::move(*started);
    plugins.setRunner(sandbox.get());
    return Done;
  }

  void warnOfFaults() {
    if (!sandbox)
      return;
    progress.clear();
    for (const std::string &fault : sandbox->getFaults())
      llvm::errs() << "llmc: warning: " << fault << "\n";
  }

  const CompileRequest &request;
  DialectRegistry registry;
  std::optional<llvm::DefaultThreadPool> passThreads;
  MLIRContext context;
  Target target;
  PluginSet plugins;
  std::unique_ptr<Sandbox> sandbox;
  Recipe recipe;
  /// What its calibration depends on.
  std::string calibrationKey;
  CalibrationLine calibration;
  /// What keys and values are stored in.
  std::string kv = request.kv;
  ImportedModel model;
  ModelFolder folder;
  /// Rows of the shortest table of positions that the model brings.
  int64_t positions = std::numeric_limits<int64_t>::max();
  BundleFolder place;
  WeightFile weightFile;
  /// Of the model as it was after fusing, by entry.
  json::Object operators;
  json::Array entries;
  std::optional<LanguageModelInfo> languageModel;
  bool reported = false;
  Progress progress;
  CompileRecord record;
  /// The step at work.
  std::string current;
  /// Of the file of weights, so far.
  std::atomic<int64_t> weightBytes = 0;
  /// Nobody will want the weights, nor the code.
  std::atomic<bool> stopped = false;

  int fail(ExitCode code, const llvm::Twine &message) {
    progress.clear();
    llvm::errs() << "llmc: error: " << message << "\n";
    return code;
  }

  int fail(const Fault &fault) {
    return fail(static_cast<ExitCode>(fault.blame), fault.text);
  }

  /// The machine is to blame where an error carries a code of the system, as
  /// those of files do, and else the model.
  int fail(llvm::Error error) {
    ExitCode code = ModelAtFault;
    std::string text;
    llvm::handleAllErrors(
        std::move(error), [&](const llvm::ErrorInfoBase &info) {
          if (info.convertToErrorCode() != llvm::inconvertibleErrorCode())
            code = MachineAtFault;
          text += (text.empty() ? "" : "\n") + info.message();
        });
    return fail(code, text);
  }

  LogicalResult report(Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Remark &&
        !request.verbose)
      return success();
    StringRef kind = "error";
    if (diagnostic.getSeverity() == DiagnosticSeverity::Warning)
      kind = "warning";
    else if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      kind = "note";
    reported |= kind == "error";
    progress.clear();
    llvm::errs() << "llmc: " << kind << ": ";
    if (auto name = diagnostic.getLocation()->findInstanceOf<NameLoc>())
      llvm::errs() << "node '" << name.getName().getValue() << "': ";
    llvm::errs() << diagnostic << "\n";
    return success();
  }

  int step(const std::string &name, llvm::function_ref<int()> body) {
    auto begin = std::chrono::steady_clock::now();
    size_t known = record.passes.size();
    current = name;
    progress.begin(name);
    int code = body();
    progress.clear();
    std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - begin;
    record.endStep(name, seconds.count(), known);
    if (code == Done && (request.timing || request.verbose) && !request.quiet)
      llvm::errs() << llvm::formatv("llmc: {0,-22} {1,8:f3} s\n", name,
                                    seconds.count());
    return code;
  }

  /// Whether the result is a model for other tools.
  bool isExport() const {
    return request.emit == "onnx" || request.emit == "gguf";
  }

  bool hasFunction(StringRef name) {
    return bool(model.module->lookupSymbol<func::FuncOp>(name));
  }

  int runPasses(llvm::function_ref<void(OpPassManager &)> build,
                StringRef what) {
    PassManager pm(&context, ModuleOp::getOperationName());
    build(pm);
    if (request.printPipeline) {
      std::string text;
      llvm::raw_string_ostream stream(text);
      pm.printAsTextualPipeline(stream);
      printPipeline(current, text);
    }
    PassLine prototype{current, "", ""};
    PassRecord seen;
    bool seesWeights = CompileRecord::seesWeights(current);
    pm.addInstrumentation(std::make_unique<PassWatch>(
        *model.module, seesWeights ? &prototype : nullptr, seen));
    if (succeeded(pm.run(*model.module))) {
      llvm::append_range(record.passes, std::move(seen.lines));
      return Done;
    }
    if (!reported)
      fail(ModelAtFault, "cannot " + what + " this model");
    StringRef advice =
        adviseOnEntry(seen, *model.module, request.entry,
                      /*makesCode=*/!seesWeights || current == "pack");
    if (!advice.empty())
      llvm::errs() << "llmc: note: " << advice << "\n";
    return ModelAtFault;
  }

  void printPipeline(StringRef step, StringRef pipeline) {
    progress.clear();
    llvm::outs() << step << ": " << pipeline << "\n";
    llvm::outs().flush();
  }

  /// Passes of plugins; nothing where none has joined.
  int visitSlot(Slot slot) {
    size_t known = record.passes.size();
    llvm::Error error = runSlot(plugins, slot, *model.module, record.passes,
                                [&](StringRef pipeline) {
                                  if (request.printPipeline)
                                    printPipeline(getName(slot), pipeline);
                                });
    if (error)
      return fail(ModelAtFault, llvm::toString(std::move(error)));
    progress.clear();
    if (!request.quiet)
      llvm::errs() << printPasses(ArrayRef(record.passes).drop_front(known));
    if (slot == Slot::BeforeCodegen)
      record.keepWeights(known);
    return Done;
  }

  int importModel() {
    ImportOptions options;
    options.dims = request.dims;
    options.converters = plugins.listConverters();
    auto imported = importOnnx(context, request.model, options);
    if (!imported)
      return fail(ModelAtFault, llvm::toString(imported.takeError()));
    model = std::move(*imported);
    auto read = ModelFolder::read(model.folder);
    if (!read)
      return fail(ModelAtFault, llvm::toString(read.takeError()));
    folder = std::move(*read);
    return runPasses(
        [](OpPassManager &pm) {
          pm.addNestedPass<func::FuncOp>(createStateConditionsPass());
        },
        "check the extents of");
  }

  int64_t getContextLength() const {
    if (request.context)
      return request.context;
    return std::min(folder.context ? folder.context : kDefaultContext,
                    positions);
  }

  /// A table of positions that the model brings ends somewhere, whatever its
  /// files or the request say.
  int limitContext(func::FuncOp lm) {
    std::string shortest;
    lm.walk([&](nn::RowsOp op) {
      auto table = op.getInput().getDefiningOp<nn::GetOp>();
      if (!table)
        return;
      int64_t rows = cast<ShapedType>(table.getType()).getDimSize(0);
      if (rows >= positions)
        return;
      positions = rows;
      shortest = table.getWeight().str();
    });
    if (request.context <= positions)
      return Done;
    return fail(ModelAtFault, "the table of positions " + shortest + " has " +
                                  llvm::Twine(positions) +
                                  " rows, too few for a context of " +
                                  llvm::Twine(request.context) +
                                  "; compile with --context " +
                                  llvm::Twine(positions) + " or less");
  }

  int64_t getChunk() const {
    return std::min(request.chunk ? request.chunk : kDefaultChunk,
                    getContextLength());
  }

  int fuse() {
    bool wantsLm = request.entry != "main", wantsMain = request.entry != "lm";
    int code = runPasses(
        [&](OpPassManager &pm) {
          if (wantsLm)
            buildLanguageModelPipeline(pm, getContextLength(),
                                       request.entry == "lm" ||
                                           request.entry == "all",
                                       model.weights.get());
          else
            buildFusePipeline(pm);
        },
        "fuse");
    if (code)
      return code;
    auto lm = model.module->lookupSymbol<func::FuncOp>("lm");
    if (lm)
      if (int code = limitContext(lm))
        return code;
    if (request.kv.empty())
      kv = lm ? recipe.kv : "f32";
    if (kv != "f32" && !lm)
      return fail(ModelAtFault,
                  "this model has no entry lm, so it keeps no keys and values "
                  "that --kv=" +
                      kv + " could store; leave it out");
    if (lm && !wantsMain)
      model.module->lookupSymbol<func::FuncOp>("main").erase();
    for (auto function : model.module->getOps<func::FuncOp>())
      if (function.isPublic())
        operators[function.getName()] = countOperators(function);
    progress.clear();
    if (!request.quiet && !isExport())
      llvm::errs() << "llmc: target " << target.cpu << ", recipe "
                   << recipe.name << ", "
                   << (lm ? "language model with context " +
                                std::to_string(getContextLength()) +
                                ", prompt chunk " + std::to_string(getChunk()) +
                                (kv == "f32" ? ""
                                             : ", keys and values in " + kv)
                          : std::string("entry main"))
                   << "\n";
    return Done;
  }

  /// Whether the weights of the model are written.
  bool hasWeights() const {
    return !request.dryRun && (request.emit == "bundle" ||
                               request.emit == "exe" || request.emit == "lib");
  }

  int assignMethods() {
    if (int code = runPasses(
            [&](OpPassManager &pm) {
              pm.addPass(createAssignMethodsPass(recipe, *model.weights));
            },
            "compress"))
      return code;
    if (!request.quiet)
      for (const std::string &idle :
           findIdleRules(recipe, request.recipe, *model.module))
        llvm::errs() << "llmc: note: " << idle << "\n";
    return Done;
  }

  int exportModel() {
    auto expect = [&](int64_t bytes) { progress.expect(bytes); };
    auto done = [&](int64_t bytes) { progress.add(bytes); };
    std::optional<OnnxStyle> style;
    if (!request.style.empty())
      style = request.style == "qdq" ? OnnxStyle::QDQ : OnnxStyle::NBits;
    ExportRequest job{model,
                      plugins.getMethods(),
                      style,
                      getContextLength(),
                      request.output,
                      place,
                      countThreads(),
                      expect,
                      done};
    auto result = request.emit == "gguf" ? exportGguf(job) : exportOnnx(job);
    warnOfFaults();
    if (!result)
      return fail(result.takeError());
    progress.clear();
    const ExportedTensors &count = result->tensors;
    tellOfReuse(count.reusedTensors, count.tensors, count.reusedBytes,
                count.bytes);
    if (!request.quiet)
      llvm::errs() << printTable({model.file, recipe.name, "", result->lines});
    return Done;
  }

  int calibrate() {
    CalibrationRun run;
    CalibrationJob job{model,
                       folder,
                       place,
                       *recipe.calibration,
                       getContextLength(),
                       countThreads(),
                       request.calibrate,
                       [&](int64_t done, int64_t all) {
                         if (!done)
                           progress.expect(all);
                         else
                           progress.add(1);
                       }};
    if (Fault fault = calibrateModel(job, run))
      return fail(fault);
    record.setCalibration(calibration, run);
    progress.clear();
    if (!request.quiet)
      llvm::errs() << llvm::formatv(
          "llmc: calibrated on {0:N} tokens of '{1}', in {2} window{3}\n",
          run.tokens, recipe.calibration->data, run.windows,
          run.windows == 1 ? "" : "s");
    return runPasses(
        [](OpPassManager &pm) { pm.addPass(createChooseActivationsPass()); },
        "choose the activations of");
  }

  /// From here on there is work that may be kept.
  int beginFolder() {
    std::string output = isExport() ? BundleFolder::getPlace(request.output)
                         : request.emit == "bundle"
                             ? request.output
                             : getBundleOfProgram(request.output);
    std::string others = plugins.describeFiles() + calibrationKey;
    if (isExport())
      others += request.emit + " " + request.style + "\n";
    std::string key =
        computeRunKey(*model.module, *model.weights, target, others);
    if (llvm::Error error =
            place.begin(output, key, isExport() ? kExportedData : kWeightsFile))
      return isExport() ? fail(std::move(error))
                        : fail(ModelAtFault, llvm::toString(std::move(error)));
    return Done;
  }

  int scaleColumns() {
    return runPasses(
        [&](OpPassManager &pm) {
          pm.addPass(createScaleColumnsPass(*model.weights, countThreads(),
                                            *this,
                                            /*fold=*/request.emit != "onnx"));
          if (kv != "f32") {
            EncodeCachesPassOptions caches;
            caches.format = kv;
            pm.addNestedPass<func::FuncOp>(createEncodeCachesPass(caches));
          }
        },
        "compress");
  }

  void expect(int64_t bytes) override { progress.expect(bytes); }
  void advance(int64_t bytes, double readSeconds, double evenSeconds) override {
    progress.add(bytes);
    record.reading += readSeconds;
    record.evening += evenSeconds;
  }
  const ColumnScale *recall(StringRef first) override {
    return place.getJournal().findScale(first);
  }
  void remember(StringRef first, const ColumnScale &scale) override {
    place.getJournal().addScale(first, scale);
  }

  int packAndOutline() {
    return runPasses(
        [&](OpPassManager &pm) {
          buildPackPipeline(pm, target, /*specialize=*/true);
        },
        "pack");
  }

  int lower() {
    SymbolBounds bounds{getChunk(), getContextLength()};
    for (auto function : model.module->getOps<func::FuncOp>())
      if (function.isPublic() && !function->hasAttr(kVariantOf)) {
        json::Object entry = describeEntry(function, bounds);
        if (json::Value *counts = operators.get(function.getName()))
          entry["operators"] = std::move(*counts);
        entries.push_back(std::move(entry));
      }
    if (auto lm = model.module->lookupSymbol<func::FuncOp>("lm"))
      describeLanguageModel(lm);
    auto placed = record.place(*model.module);
    if (!placed)
      return fail(ModelAtFault, llvm::toString(placed.takeError()));
    weightFile = std::move(*placed);
    return runPasses(buildLowerPipeline, "lower");
  }

  void describeLanguageModel(func::FuncOp lm) {
    LanguageModelInfo info;
    auto logits = cast<RankedTensorType>(lm.getResultTypes().front());
    info.vocabulary = logits.getShape().back();
    info.context = getContextLength();
    info.chunk = getChunk();
    info.bos = folder.bos;
    info.eos = folder.eos;
    // One token reads every weight once, and one row of the embedding.
    llvm::SmallDenseSet<Attribute> seen;
    SymbolTable symbols(*model.module);
    lm.walk([&](nn::GetOp get) {
      bool gatherOnly = llvm::all_of(get->getUsers(), [](Operation *user) {
        return user->getName().getStringRef().ends_with("gather");
      });
      if (gatherOnly || !seen.insert(get.getWeightAttr()).second)
        return;
      if (auto packed = dyn_cast<pack::TensorType>(get.getType()))
        info.bytesPerToken += packed.getBytes();
      else if (auto tensor = dyn_cast<RankedTensorType>(get.getType()))
        info.bytesPerToken += getTensorBytes(tensor).value_or(0);
    });
    languageModel = info;
  }

  unsigned countThreads() const {
    return request.threads
               ? request.threads
               : llvm::hardware_concurrency().compute_thread_count();
  }

  llvm::Error writeWeights() {
    return writeWeightFile(weightFile, plugins.getMethods(), *model.weights,
                           place.path(kWeightsFile), countThreads(),
                           place.getJournal(), stopped, [&](int64_t bytes) {
                             weightBytes += bytes;
                             progress.add(bytes);
                           });
  }

  /// What an earlier run had done.
  void tellOfReuse(int64_t done, int64_t tensors, int64_t doneBytes,
                   int64_t bytes) {
    if (done && !request.quiet)
      llvm::errs() << llvm::formatv(
          "llmc: went on from an earlier run: {0} of {1} tensors, {2:f1} of "
          "{3:f1} MB, were done\n",
          done, tensors, toMega(doneBytes), toMega(bytes));
  }

  /// What came of writing weights, what an earlier run had done, and where the
  /// time went.
  int tellOfWeights(llvm::Error error) {
    warnOfFaults();
    if (error)
      return fail(std::move(error));
    progress.clear();
    if (request.quiet)
      return Done;
    tellOfReuse(weightFile.reusedTensors, weightFile.weights.size(),
                weightFile.reusedBytes, weightFile.dataBytes);
    if (request.timing || request.verbose)
      llvm::errs() << record.printTimes(weightFile.seconds);
    return Done;
  }

  int bufferize() {
    if (int code = runPasses(buildBufferizePipeline, "place the memory of"))
      return code;
    for (json::Value &entry : entries)
      if (auto arena = describeArena(*model.module, *entry.getAsObject()))
        (*entry.getAsObject())["arena"] = std::move(*arena);
    return Done;
  }

  int printDryRun() {
    json::Array files;
    for (const std::string &file : folder.files)
      files.push_back(llvm::sys::path::filename(file));
    json::Object plan{{"cpu", target.cpu},
                      {"triple", target.triple},
                      {"recipe", recipe.name},
                      {"weights", describeWeights(weightFile)},
                      {"entries", std::move(entries)},
                      {"files", std::move(files)}};
    if (!request.output.empty())
      plan["bundle"] = request.output;
    if (request.json)
      llvm::outs() << json::Value(std::move(plan)) << "\n";
    else
      printPlan(llvm::outs(), plan);
    llvm::outs().flush();
    return Done;
  }

  int convert() {
    if (int code =
            runPasses([&](OpPassManager &pm) { buildLLVMPipeline(pm, target); },
                      "generate code for"))
      return code;
    if (failed(renameFunctions(*model.module, request.prefix)))
      return fail(UsageAtFault, "the prefix '" + request.prefix +
                                    "' makes names that the model's code has "
                                    "already; choose another one");
    return Done;
  }

  int emit(llvm::SmallVectorImpl<char> &code) {
    auto machine = createTargetMachine(target);
    if (!machine)
      return fail(ModelAtFault, llvm::toString(machine.takeError()));
    CodeKind kind =
        request.emit == "asm" ? CodeKind::Assembly : CodeKind::Object;
    if (llvm::Error error = emitCode(*model.module, **machine, kind, code))
      return fail(ModelAtFault, llvm::toString(std::move(error)));
    return Done;
  }

  /// A file and the folder that it lies in, which tells models from each other.
  static std::string getShortName(llvm::StringRef file) {
    llvm::StringRef folder =
        llvm::sys::path::filename(llvm::sys::path::parent_path(file));
    return (folder.empty() ? "" : folder + "/").str() +
           llvm::sys::path::filename(file).str();
  }

  int finish(llvm::ArrayRef<std::string> objects) {
    if (request.emit == "lib") {
      if (llvm::Error error =
              writeLibrary(place, request.output, objects.front(), entries,
                           weightFile, request.prefix))
        return fail(MachineAtFault, llvm::toString(std::move(error)));
      return Done;
    }
    BundleContents contents;
    contents.triple = target.triple;
    contents.cpu = target.cpu;
    contents.features = getRequiredFeatures(target);
    contents.recipe = recipe.name;
    contents.sourceFile = llvm::sys::path::filename(model.file).str();
    contents.sourceBytes = model.fileBytes();
    contents.sourceHash = model.fileHash();
    contents.producer = model.producer + " " + model.producerVersion;
    contents.entries = std::move(entries);
    contents.languageModel = languageModel;
    contents.files = folder.files;
    contents.objects = objects;
    contents.ledger = {getShortName(model.file), recipe.name, target.cpu,
                       buildLedger(weightFile), plugins.listForReport()};
    record.finish(contents.ledger, weightFile);
    if (!recipe.quantize.empty() && !request.quiet)
      llvm::errs() << printLedger(contents.ledger);
    if (llvm::Error error = writeBundle(place, contents, weightFile))
      return fail(MachineAtFault, llvm::toString(std::move(error)));
    if (llvm::Error error = place.publish())
      return fail(MachineAtFault, llvm::toString(std::move(error)));
    if (request.emit == "exe")
      if (llvm::Error error = writeProgram(request.runner, request.output))
        return fail(MachineAtFault, llvm::toString(std::move(error)));
    return Done;
  }

  int writeOutput(StringRef text) {
    std::error_code code;
    llvm::ToolOutputFile file(request.output, code, llvm::sys::fs::OF_None);
    if (code)
      return fail(MachineAtFault,
                  "cannot create '" + request.output + "': " + code.message());
    file.os() << text;
    file.keep();
    return Done;
  }

  int printModule() {
    std::string text;
    llvm::raw_string_ostream stream(text);
    model.module->print(stream);
    stream << "\n";
    return writeOutput(text);
  }
};

} // namespace

extern "C" int llmc_compiler_main(const CompileRequest *request) {
  return Compilation(*request).run();
}
