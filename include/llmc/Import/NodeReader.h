//===- NodeReader.h - What a handler sees of a node ------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A handler turns one ONNX node into nn ops. It reads operands and attributes
// by typed accessors, builds ops whose result types are inferred, and sets the
// results. After the first fault every accessor yields nothing and every built
// op is null, so handlers need no checks of their own: the importer asks for
// the fault at the end.
//
// Handlers of plugins see the same: this header is one of theirs.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_NODEREADER_H
#define LLMC_IMPORT_NODEREADER_H

#include "llmc/Dialect/NN/NNOps.h"
#include "llmc/Import/OnnxModel.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace llmc::onnx {

class Importer;
struct Scope;

class NodeReader {
public:
  NodeReader(Importer &importer, Scope &scope, const Node &node,
             int64_t version, mlir::OpBuilder &builder, mlir::Location loc);

  const Node &node() const { return onnxNode; }
  /// The version of the node's operator set.
  int64_t version() const { return opset; }
  mlir::OpBuilder &builder() { return b; }
  mlir::Location loc() const { return location; }
  Importer &importer() { return owner; }
  Scope &scope() { return nodeScope; }

  //===--------------------------------------------------------------------===//
  // Faults
  //===--------------------------------------------------------------------===//

  /// Records the first fault.
  void fail(const llvm::Twine &message);
  bool failed() const { return !fault.empty(); }
  const std::string &faultText() const { return fault; }
  /// Attributes that no accessor asked for.
  llvm::SmallVector<llvm::StringRef> unreadAttributes() const;

  //===--------------------------------------------------------------------===//
  // Operands
  //===--------------------------------------------------------------------===//

  size_t numInputs() const { return onnxNode.inputs.size(); }
  size_t numOutputs() const { return onnxNode.outputs.size(); }
  bool hasInput(size_t i) const {
    return i < onnxNode.inputs.size() && !onnxNode.inputs[i].empty();
  }
  bool hasOutput(size_t i) const {
    return i < onnxNode.outputs.size() && !onnxNode.outputs[i].empty();
  }
  /// Operand `i`; its absence is a fault.
  mlir::Value input(size_t i);
  /// Operand `i`, or null where it is left out.
  mlir::Value optional(size_t i);
  mlir::RankedTensorType type(mlir::Value value) {
    return value ? llvm::cast<mlir::RankedTensorType>(value.getType())
                 : mlir::RankedTensorType();
  }
  int64_t rank(mlir::Value value) { return value ? type(value).getRank() : 0; }
  mlir::Type elementType(mlir::Value value) {
    return value ? type(value).getElementType() : mlir::Type();
  }

  /// The integers of a constant operand; empty where it is none or left out.
  std::optional<llvm::SmallVector<int64_t>> constantInts(size_t i);
  /// As above, but anything else is a fault.
  llvm::SmallVector<int64_t> requireInts(size_t i, llvm::StringRef what);
  /// A shape, bounds or repeats as i64, the one type nn has for them; constants
  /// beyond what a tensor can have are a fault.
  mlir::Value indexVector(size_t i);
  /// The number that a constant of one element holds.
  std::optional<double> constantNumber(size_t i);

  //===--------------------------------------------------------------------===//
  // Attributes
  //===--------------------------------------------------------------------===//

  const Attribute *attr(llvm::StringRef name);
  bool hasAttr(llvm::StringRef name) { return attr(name) != nullptr; }
  int64_t attrInt(llvm::StringRef name, int64_t otherwise);
  double attrFloat(llvm::StringRef name, double otherwise);
  std::string attrString(llvm::StringRef name, llvm::StringRef otherwise);
  std::optional<llvm::SmallVector<int64_t>> attrInts(llvm::StringRef name);
  /// Says that an attribute has no bearing here.
  void ignoreAttr(llvm::StringRef name) { attr(name); }
  /// Refuses an integer attribute unless it has this value.
  void requireAttr(llvm::StringRef name, int64_t value);

  /// `axis` counted from the front; a fault where it is outside.
  int64_t axis(int64_t axis, int64_t rank);
  /// The same for a set, sorted; repeated axes are a fault.
  llvm::SmallVector<int64_t> axes(llvm::ArrayRef<int64_t> axes, int64_t rank);

  //===--------------------------------------------------------------------===//
  // Building
  //===--------------------------------------------------------------------===//

  /// Builds an op, its result type inferred; null after a fault.
  template <typename OpTy>
  mlir::Value create(mlir::ValueRange operands,
                     llvm::ArrayRef<mlir::NamedAttribute> attributes = {}) {
    if (!ready(operands))
      return {};
    mlir::OperationState state(location, OpTy::getOperationName());
    state.addOperands(operands);
    mlir::DictionaryAttr dictionary = b.getDictionaryAttr(attributes);
    auto emit = [&] { return mlir::emitError(location); };
    if constexpr (requires(typename OpTy::Properties & p) {
                    OpTy::setPropertiesFromAttr(p, dictionary, emit);
                  }) {
      auto &properties = state.getOrAddProperties<typename OpTy::Properties>();
      if (mlir::failed(
              OpTy::setPropertiesFromAttr(properties, dictionary, emit)))
        return refuse();
    } else {
      // Ops of plugins may keep them as they come.
      state.addAttributes(attributes);
    }
    llvm::SmallVector<mlir::Type> types;
    if (mlir::failed(OpTy::inferReturnTypes(
            b.getContext(), location, state.operands, dictionary,
            state.getRawProperties(), {}, types)))
      return refuse();
    state.addTypes(types);
    return check(b.create(state));
  }
  /// A conversion of the element type; none where it is that already.
  mlir::Value cast(mlir::Value value, mlir::Type elementType);
  mlir::Value transpose(mlir::Value value, llvm::ArrayRef<int64_t> perm);
  /// To a shape of constants; 0 copies an extent, -1 is what remains.
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value unsqueeze(mlir::Value value, llvm::ArrayRef<int64_t> axes);
  mlir::Value squeeze(mlir::Value value, llvm::ArrayRef<int64_t> axes);
  /// The axes from `axis` on as one, and back to the shape of `like`.
  mlir::Value foldAxes(mlir::Value value, int64_t axis);
  mlir::Value unfoldAxes(mlir::Value value, mlir::Value like, int64_t axis);
  /// Elements `begin .. end-1` along one axis.
  mlir::Value slice(mlir::Value value, int64_t axis, int64_t begin,
                    int64_t end);
  /// A vector of integers.
  mlir::Value ints(llvm::ArrayRef<int64_t> values);
  /// A number of rank 0.
  mlir::Value scalar(double value, mlir::Type elementType);
  mlir::Value integer(int64_t value);
  /// The extent `axis` as an i64 of rank 0 (or a vector of one).
  mlir::Value extent(mlir::Value value, int64_t axis, bool vector = false);
  /// A weight [in, out], seen as the weight [out, in] that nn.linear wants;
  /// null where the value is not a weight.
  mlir::Value transposedWeight(mlir::Value value);
  /// A weight in another static shape; null where the value is none.
  mlir::Value reshapedWeight(mlir::Value value, llvm::ArrayRef<int64_t> shape);
  mlir::Value castWeight(mlir::Value value, mlir::Type elementType);
  /// The source of a value that is known when compiling, which reshaping and
  /// transposing leave it; null where it is computed.
  mlir::Attribute constantSource(mlir::Value value);

  mlir::NamedAttribute named(llvm::StringRef name, mlir::Attribute value) {
    return b.getNamedAttr(name, value);
  }
  mlir::NamedAttribute named(llvm::StringRef name, int64_t value) {
    return named(name, b.getI64IntegerAttr(value));
  }
  mlir::NamedAttribute namedFloat(llvm::StringRef name, double value) {
    return named(name, b.getF64FloatAttr(value));
  }
  mlir::NamedAttribute named(llvm::StringRef name,
                             llvm::ArrayRef<int64_t> values) {
    return named(name, b.getDenseI64ArrayAttr(values));
  }
  mlir::NamedAttribute flag(llvm::StringRef name) {
    return named(name, b.getUnitAttr());
  }

  void result(size_t i, mlir::Value value);
  /// Result `i` is this tensor of the file: it becomes a value where it is
  /// first read, because the reader's place gives it its name.
  void defer(size_t i, const Tensor &tensor);
  llvm::ArrayRef<mlir::Value> results() const { return values; }

private:
  bool ready(mlir::ValueRange operands);
  mlir::Value refuse();
  std::optional<llvm::SmallVector<int64_t>> intsOf(mlir::Value value);
  mlir::Value check(mlir::Operation *op);

  Importer &owner;
  Scope &nodeScope;
  const Node &onnxNode;
  int64_t opset;
  mlir::OpBuilder &b;
  mlir::Location location;
  std::string fault;
  llvm::StringSet<> read;
  llvm::SmallVector<mlir::Value> values;
};

/// Turns a node into ops.
using Handler = void (*)(NodeReader &);

} // namespace llmc::onnx

#endif // LLMC_IMPORT_NODEREADER_H
