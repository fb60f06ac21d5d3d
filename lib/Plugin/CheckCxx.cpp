//===- CheckCxx.cpp - Do passes and importers keep what they must? --------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a pass or a handler is for, nobody but its author knows, and tests with
// FileCheck say it. Checked here is what holds of all of them: no module and no
// node ends the program, what comes out is valid, and is the same each time.
// What they leave in memory is not measured: the rewriters of MLIR keep some
// bytes of each run.
//
//===----------------------------------------------------------------------===//
#include "CheckCxx.h"
#include "llmc/Import/Import.h"
#include "llmc/Import/OnnxMessage.h"
#include "llmc/Plugin/CxxPlugin.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace llmc;
using llvm::createStringError;
using llvm::Error;
using llvm::Expected;
using llvm::formatv;

static constexpr SampleModule kSamples[] = {
#include "Samples.inc"
};

ArrayRef<SampleModule> llmc::getSampleModules() { return kSamples; }

static std::string print(Operation *op) {
  std::string text;
  llvm::raw_string_ostream out(text);
  op->print(out);
  return text;
}

namespace {

/// What became of a module or of a node.
struct Trace {
  /// The module that came out; empty where it was refused.
  std::string text;
  /// What was said to refuse it.
  std::string reason;
};

/// A context that notes what is said in it.
class Listener {
public:
  Listener(const DialectRegistry &dialects, bool threads)
      : context(dialects, threads ? MLIRContext::Threading::ENABLED
                                  : MLIRContext::Threading::DISABLED),
        handler(&context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
            said += (said.empty() ? "" : "; ") + diagnostic.str();
          return success();
        }) {}

  MLIRContext context;
  std::string said;

private:
  ScopedDiagnosticHandler handler;
};

} // namespace

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

/// Adds the pass, or what the plugin puts into the slot.
static Error addPasses(const CxxSubject &subject, OpPassManager &manager) {
  for (const LoadedPlugin &plugin : subject.set.getPlugins()) {
    if (!plugin.content)
      continue;
    for (const PassAllocatorFunction &make : plugin.content->getPasses())
      if (auto pass = make(); pass->getArgument() == subject.name)
        manager.addPass(std::move(pass));
    for (const PluginSlot &slot : plugin.slots) {
      if (slot.slot != subject.name)
        continue;
      std::string reason;
      llvm::raw_string_ostream out(reason);
      if (failed(parsePassPipeline(slot.pipeline, manager, out)))
        return createStringError("cannot read '" + slot.pipeline +
                                 "': " + StringRef(reason).rtrim());
    }
  }
  return Error::success();
}

/// Fails where a pass says nothing of why it fails, or leaves what is not valid.
static Expected<Trace> runOn(const SampleModule &sample,
                             const CxxSubject &subject, bool threads) {
  Listener listener(subject.dialects, threads);
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(sample.text, &listener.context);
  if (!module)
    return createStringError("module '" + sample.name + "': " + listener.said);
  PassManager manager(&listener.context, ModuleOp::getOperationName(),
                      OpPassManager::Nesting::Implicit);
  manager.enableVerifier(false);
  if (Error error = addPasses(subject, manager))
    return std::move(error);
  bool refused = failed(manager.run(*module));
  if (refused && listener.said.empty())
    return createStringError("module '" + sample.name +
                             "': fails and does not say why");
  if (refused)
    return Trace{"", listener.said};
  if (failed(verify(*module)))
    return createStringError(
        "module '" + sample.name +
        "': what it leaves is not valid: " + listener.said);
  return Trace{print(*module), ""};
}

static Expected<std::string> checkModules(const CxxSubject &subject) {
  unsigned changed = 0, left = 0;
  std::string refused;
  for (const SampleModule &sample : kSamples) {
    auto trace = runOn(sample, subject, /*threads=*/false);
    if (!trace)
      return trace.takeError();
    if (!trace->reason.empty()) {
      refused += ("; refuses '" + sample.name + "': " + trace->reason).str();
      continue;
    }
    Listener listener(subject.dialects, /*threads=*/false);
    auto before = parseSourceString<ModuleOp>(sample.text, &listener.context);
    ++(trace->text == print(*before) ? left : changed);
  }
  return formatv("changes {0} of {1} modules, leaves {2}{3}", changed,
                 std::size(kSamples), left, refused)
      .str();
}

static Expected<std::string> checkSameModules(const CxxSubject &subject) {
  for (const SampleModule &sample : kSamples) {
    std::string first;
    for (bool threads : {false, false, true}) {
      auto trace = runOn(sample, subject, threads);
      if (!trace)
        return trace.takeError();
      std::string result = trace->text + trace->reason;
      if (first.empty())
        first = result;
      else if (first != result)
        return createStringError("module '" + sample.name +
                                 "': two runs leave different modules" +
                                 (threads ? ", one of them with threads" : ""));
    }
  }
  return std::string("the same modules in 3 runs, with threads and without");
}

/// What stands between the brackets of "builtin.module(...)".
static std::string printPasses(OpPassManager &manager) {
  std::string text;
  llvm::raw_string_ostream out(text);
  manager.printAsTextualPipeline(out);
  StringRef inner = text;
  inner.consume_front("builtin.module(");
  inner.consume_back(")");
  return inner.str();
}

static Expected<std::string> checkPipeline(const CxxSubject &subject) {
  OpPassManager made(ModuleOp::getOperationName(),
                     OpPassManager::Nesting::Implicit),
      read(ModuleOp::getOperationName(), OpPassManager::Nesting::Implicit);
  if (Error error = addPasses(subject, made))
    return std::move(error);
  std::string printed = printPasses(made), reason;
  llvm::raw_string_ostream out(reason);
  if (failed(parsePassPipeline(printed, read, out)))
    return createStringError(
        "cannot read '" + printed +
        "', as it is printed: " + StringRef(reason).rtrim());
  if (std::string again = printPasses(read); again != printed)
    return createStringError("'" + printed + "' is read as '" + again + "'");
  return "'" + printed + "' is read as it is printed";
}

//===----------------------------------------------------------------------===//
// Importers
//===----------------------------------------------------------------------===//

namespace {

/// A node with `inputs` values of one kind.
struct SampleNode {
  unsigned inputs, outputs;
  int32_t type;
  llvm::SmallVector<llvm::StringLiteral> dims;
};

} // namespace

/// Numbers of ONNX: TensorProto.DataType.
static constexpr int32_t kFloat = 1, kInt64 = 7;

static std::vector<SampleNode> listNodes() {
  std::vector<SampleNode> nodes;
  for (unsigned inputs : {0, 1, 2, 3, 5})
    for (unsigned outputs : {1, 2})
      for (int32_t type : {kFloat, kInt64})
        for (auto &dims : {llvm::SmallVector<llvm::StringLiteral>{},
                           {"4"},
                           {"2", "6"},
                           {"n", "4"},
                           {"a", "b", "3", "0"}})
          nodes.push_back({inputs, outputs, type, dims});
  return nodes;
}

/// ValueInfoProto.
static std::string makeValue(StringRef name, const SampleNode &node) {
  onnx::Message shape;
  for (StringRef extent : node.dims) {
    uint64_t number;
    if (extent.getAsInteger(10, number))
      shape.text(1, onnx::Message().text(2, extent).bytes);
    else
      shape.text(1, onnx::Message().number(1, number).bytes);
  }
  auto tensor = onnx::Message().number(1, node.type).text(2, shape.bytes);
  return onnx::Message()
      .text(1, name)
      .text(2, onnx::Message().text(1, tensor.bytes).bytes)
      .bytes;
}

/// ModelProto with one node of a plugin's operator.
static std::string makeModel(const onnx::Converter &converter,
                             const SampleNode &sample) {
  onnx::Message node, graph;
  for (unsigned i = 0; i < sample.inputs; ++i)
    node.text(1, "x" + std::to_string(i));
  for (unsigned i = 0; i < sample.outputs; ++i)
    node.text(2, "y" + std::to_string(i));
  node.text(3, "node").text(4, converter.op).text(7, converter.domain);
  graph.text(1, node.bytes).text(2, "g");
  for (unsigned i = 0; i < sample.inputs; ++i)
    graph.text(11, makeValue("x" + std::to_string(i), sample));
  for (unsigned i = 0; i < sample.outputs; ++i)
    graph.text(12, makeValue("y" + std::to_string(i), {0, 0, sample.type, {}}));
  onnx::Message model;
  model.number(1, 10).text(7, graph.bytes);
  model.text(8, onnx::Message().text(1, "").number(2, 21).bytes);
  if (!converter.domain.empty())
    model.text(8, onnx::Message()
                      .text(1, converter.domain)
                      .number(2, converter.since)
                      .bytes);
  return model.bytes;
}

static Expected<Trace> importNode(const SampleNode &node,
                                  const onnx::Converter &converter,
                                  const CxxSubject &subject) {
  llvm::SmallString<128> path;
  int fd;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("llmc-check", "onnx", fd, path))
    return createStringError(code, "cannot write a model: " + code.message());
  llvm::FileRemover remover(path);
  {
    llvm::raw_fd_ostream out(fd, /*shouldClose=*/true);
    out << makeModel(converter, node);
  }
  Listener listener(subject.dialects, /*threads=*/false);
  // Handlers make ops of them.
  for (const LoadedPlugin &plugin : subject.set.getPlugins())
    for (const std::string &dialect : plugin.dialects)
      listener.context.getOrLoadDialect(dialect);
  ImportOptions options;
  options.converters = subject.set.listConverters();
  auto model = importOnnx(listener.context, path, options);
  if (!model) {
    std::string reason = llvm::toString(model.takeError());
    if (reason.empty())
      return createStringError("a node is refused without a reason");
    // Every file has a name of its own.
    for (size_t at; (at = reason.find(path.c_str())) != std::string::npos;)
      reason.replace(at, path.size(), "FILE");
    return Trace{"", reason};
  }
  if (failed(verify(*model->module)))
    return createStringError("a node becomes what is not valid: " +
                             listener.said);
  return Trace{print(*model->module), ""};
}

/// `body` gets every node for every version of the operator.
static Error forEachNode(
    const CxxSubject &subject,
    llvm::function_ref<Error(const SampleNode &, const onnx::Converter &)>
        body) {
  auto [domain, op] = subject.name.rsplit('.');
  for (const onnx::Converter &converter : subject.set.listConverters()) {
    if (converter.op != op ||
        (converter.domain.empty() ? "ai.onnx" : converter.domain) != domain)
      continue;
    for (const SampleNode &node : listNodes())
      if (Error error = body(node, converter))
        return createStringError(
            formatv("{0} inputs of type {1} with {2} extents, {3} outputs: {4}",
                    node.inputs, node.type == kFloat ? "f32" : "i64",
                    node.dims.size(), node.outputs,
                    llvm::toString(std::move(error)))
                .str());
  }
  return Error::success();
}

static Expected<std::string> checkNodes(const CxxSubject &subject) {
  size_t taken = 0, refused = 0;
  Error error = forEachNode(
      subject, [&](const SampleNode &node, const onnx::Converter &converter) {
        auto trace = importNode(node, converter, subject);
        if (trace)
          ++(trace->reason.empty() ? taken : refused);
        return trace.takeError();
      });
  if (error)
    return std::move(error);
  return formatv("takes {0} of {1} nodes, refuses the others with a reason",
                 taken, taken + refused)
      .str();
}

static Expected<std::string> checkSameNodes(const CxxSubject &subject) {
  Error error = forEachNode(
      subject,
      [&](const SampleNode &node, const onnx::Converter &converter) -> Error {
        std::string first;
        for (int turn = 0; turn < 2; ++turn) {
          auto trace = importNode(node, converter, subject);
          if (!trace)
            return trace.takeError();
          std::string result = trace->text + trace->reason;
          if (turn && result != first)
            return createStringError("two runs make different modules of it");
          first = result;
        }
        return Error::success();
      });
  if (error)
    return std::move(error);
  return std::string("the same modules in 2 runs");
}

//===----------------------------------------------------------------------===//
// Dialects
//===----------------------------------------------------------------------===//

static Expected<std::string> checkDialect(const CxxSubject &subject) {
  Listener listener(subject.dialects, /*threads=*/false);
  Dialect *dialect = listener.context.getOrLoadDialect(subject.name);
  if (!dialect)
    return createStringError("expected dialect '" + subject.name +
                             "' but nothing was loaded");
  size_t ops =
      llvm::count_if(listener.context.getRegisteredOperations(),
                     [&](RegisteredOperationName name) {
                       return name.getDialectNamespace() == subject.name;
                     });
  return formatv("is loaded with {0} operations", ops).str();
}

ArrayRef<CxxCheck> llmc::getCxxChecks(StringRef kind) {
  static constexpr CxxCheck kOfPasses[] = {{"modules", checkModules},
                                           {"same", checkSameModules},
                                           {"pipeline", checkPipeline}};
  static constexpr CxxCheck kOfSlots[] = {{"modules", checkModules},
                                          {"same", checkSameModules}};
  static constexpr CxxCheck kOfOperators[] = {{"nodes", checkNodes},
                                              {"same", checkSameNodes}};
  static constexpr CxxCheck kOfDialects[] = {{"loads", checkDialect}};
  if (kind == "pass")
    return kOfPasses;
  if (kind == "slot")
    return kOfSlots;
  if (kind == "operator")
    return kOfOperators;
  if (kind == "dialect")
    return kOfDialects;
  return {};
}
