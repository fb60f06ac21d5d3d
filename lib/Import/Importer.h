//===- Importer.h - From plain structs to a module -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_IMPORT_IMPORTER_H
#define LLMC_LIB_IMPORT_IMPORTER_H

#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Import/HandlerTable.h"
#include "llmc/Import/Import.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace llmc::onnx {

/// What llmc reads: ranks, operator sets and file versions.
constexpr int64_t kMaxRank = 64, kMinOpset = 7, kMaxOpset = 27,
                  kMaxIrVersion = 13;
/// Calls of functions inside functions, and nodes after all are expanded.
constexpr unsigned kMaxCallDepth = 32, kMaxNodes = 1000000;
/// Extents and elements of one tensor: far above any model, far below what
/// arithmetic in 64 bits can hold.
constexpr int64_t kMaxElements = int64_t(1) << 48;
/// Integer constants up to this many bytes stand in the IR.
constexpr int64_t kMaxInlineBytes = 4096;

/// Foreign text for messages, cut and without control characters.
std::string shown(llvm::StringRef text);

/// The names that the nodes of one graph or function body see.
struct Scope {
  /// Where names are looked up next; null in functions and the main graph.
  Scope *parent = nullptr;
  /// Before the keys of tensors, so that each body has its own.
  std::string prefix;
  const std::map<std::string, int64_t> *opsets = nullptr;
  llvm::StringMap<mlir::Value> values;
  llvm::StringMap<const Tensor *> tensors;
  /// Results of nodes that failed: whoever reads them is not at fault.
  llvm::StringSet<> failed;
  /// Names that nodes define, to tell a cycle from a name that nobody defines.
  llvm::StringSet<> defined;
  /// Attributes of the call, for bodies of functions.
  const std::vector<Attribute> *call = nullptr;
  const std::vector<Attribute> *defaults = nullptr;
};

class Importer {
public:
  Importer(mlir::MLIRContext &context, const Model &model,
           const ImportOptions &options, llvm::StringRef folder,
           unsigned fileNumber, WeightStore &store);

  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> run();
  /// Of the main graph, after `run`.
  llvm::StringMap<StoredMatrix> takeStored() { return std::move(stored); }

  //===--------------------------------------------------------------------===//
  // For NodeReader and handlers
  //===--------------------------------------------------------------------===//

  /// The value of a name; null (and a pending message) where it has none.
  mlir::Value lookup(Scope &scope, llvm::StringRef name, const Node &user,
                     size_t index, mlir::Location loc);
  /// A tensor of the file as a value; null with a pending message.
  mlir::Value materialize(const Tensor &tensor, llvm::StringRef key,
                          llvm::StringRef wish, mlir::Location loc);
  /// Why a tensor cannot be read, from its type alone; empty where it can.
  std::string problemOf(const Tensor &tensor);
  /// The weight that a value brings in; null where it is none.
  nn::WeightOp weightOf(mlir::Value value);
  /// A value of the weight with this source; equal sources share a weight.
  mlir::Value getWeight(mlir::Attribute source, mlir::RankedTensorType type,
                        llvm::StringRef wish, mlir::Location loc);
  /// Says which weight a node holds in few bits.
  void noteStored(const Scope &scope, const Node &node, mlir::Value weight,
                  mlir::Type element);
  /// The name that was wished for a weight.
  std::string wishOf(nn::WeightOp weight) {
    return wishes.lookup(weight.getSymName());
  }
  /// The element type with this number; null where llmc has none.
  mlir::Type elementType(int32_t number);
  /// What is known of shapes and integers so far; see SymbolicElements.
  SymbolicElements &symbolic();
  /// What the handlers' diagnostics said since the last call.
  std::string takeDiagnostic();
  /// Says what is wrong for the next `takeDiagnostic`.
  void setDiagnostic(const llvm::Twine &message) { pending = message.str(); }
  /// Expands a graph inside a node; its outputs become `results`.
  bool importSubgraph(const Graph &graph, Scope &outer, mlir::Location loc,
                      llvm::SmallVectorImpl<mlir::Value> &results);
  /// Says that every extent called like extent `axis` of this argument of
  /// `main` is `value`.
  void bindExtent(mlir::Value argument, int64_t axis, int64_t value);

private:
  void error(const llvm::Twine &message);
  void nodeError(const Node &node, const Scope &scope,
                 const llvm::Twine &message);
  bool hasErrors() const { return errorCount != 0; }

  void checkModel();
  void declareTensors(const Graph &graph, Scope &scope);
  void scan(llvm::ArrayRef<Node> nodes, Scope &scope, unsigned depth);
  void importInputs(const Graph &graph, Scope &scope);
  void importNodes(llvm::ArrayRef<Node> nodes, Scope &scope);
  void importNode(const Node &node, Scope &scope);
  void importCall(const Node &node, const Function &function, Scope &scope,
                  mlir::Location loc);
  void importOutputs(const Graph &graph, Scope &scope);
  void finishNames();
  mlir::ArrayAttr dimsAttr(const ValueInfo &info);
  std::string substitute(llvm::StringRef expression);
  mlir::Location locationOf(const Node &node, const Scope &scope);
  const Function *functionOf(const Node &node) const;
  int64_t opsetOf(llvm::StringRef domain, const Scope &scope) const;
  llvm::Expected<mlir::RankedTensorType> typeOf(const Tensor &tensor);
  llvm::Error declare(const Tensor &tensor, llvm::StringRef key,
                      mlir::RankedTensorType type);

  mlir::MLIRContext &context;
  const Model &model;
  const ImportOptions &options;
  std::string folder;
  unsigned fileNumber;
  WeightStore &store;
  HandlerTable table;
  mlir::OpBuilder b;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp main;
  /// Made when first asked for, dropped when an argument changes.
  std::unique_ptr<SymbolicElements> elements;
  llvm::StringMap<const Function *> functions;
  llvm::DenseMap<mlir::Attribute, nn::WeightOp> weights;
  llvm::StringMap<nn::WeightOp> symbols;
  llvm::StringMap<std::string> wishes;
  llvm::StringMap<StoredMatrix> stored;
  llvm::StringMap<int64_t> boundDims;
  llvm::StringSet<> usedDims;
  llvm::SmallVector<llvm::StringRef> callStack;
  std::string pending;
  std::string errors;
  unsigned errorCount = 0, nodeCount = 0, graphDepth = 0, bodies = 0;
};

} // namespace llmc::onnx

#endif // LLMC_LIB_IMPORT_IMPORTER_H
