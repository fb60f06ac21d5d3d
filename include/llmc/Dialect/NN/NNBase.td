//===- NNBase.td - The nn dialect and what its families share -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The nn dialect is the model as a person would draw it. Every op works on
// ranked tensors with static or dynamic extents, is pure unless it says
// otherwise, infers its result type, and states its rules as [C1], [C2], ...:
// one label is one line of the verifier and one case `@<op>_c<n>` in
// test/Dialect/NN/invalid.mlir.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNBASE
#define LLMC_DIALECT_NN_NNBASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::llmc::nn";
  let summary = "Neural networks at the level of their layers";
  let description = [{
    Ops on ranked tensors. Weights are symbols (`nn.weight`) that name bytes in
    a file and never enter the IR; `nn.get` brings one into the code. Extents
    that are not known are `?` in types; what they are in terms of the entry's
    symbols is answered by the analysis `SymbolicElements`.

    Attributes of functions, arguments and results:
    * `nn.name` (string, arguments and results): the name in the model's
      signature;
    * `nn.dims` (array, tensor arguments and results): one integer or string
      per extent; a string is a symbol or an expression over symbols, as in
      `"past + seq"`;
    * `nn.symbol` (string, arguments of type index): the argument is the value
      of this symbol;
    * `nn.state` (integer, tensor arguments): the argument is updated in place
      and tied to the result with that number.

    [C1] they stand on arguments and results of functions and on no other op
    [C2] `nn.name` and `nn.symbol` are strings; the latter on an argument of type index
    [C3] `nn.dims` has one integer or string per extent
    [C4] `nn.state` is the number of a result
    [C5] there are no others
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let extraClassDeclaration = [{
    /// Names of the attributes described above.
    static constexpr llvm::StringLiteral kName = "nn.name";
    static constexpr llvm::StringLiteral kDims = "nn.dims";
    static constexpr llvm::StringLiteral kSymbol = "nn.symbol";
    static constexpr llvm::StringLiteral kState = "nn.state";
    void registerAttributes();
    void registerElementwiseOps();
    void registerUnaryOps();
    void registerActivationOps();
    void registerShapeOps();
    void registerGatherOps();
    void registerReduceOps();
    void registerLinearOps();
    void registerAttentionOps();
    void registerConvOps();
    void registerWeightOps();
  }];
}

class NN_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<NN_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

// Base of every op.
class NN_Op<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic, traits>;

// Base of the pure tensor ops: the result type is inferred; a type that is more
// static than the inferred one is accepted (types are refined in place).
class NN_TensorOp<string mnemonic, list<Trait> traits = []>
    : NN_Op<mnemonic,
            !listconcat([Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>],
                        traits)> {
  let extraClassDeclaration = [{
    static bool isCompatibleReturnTypes(mlir::TypeRange inferred,
                                        mlir::TypeRange actual);
  }];
  code commonDefinition = [{
    bool $cppClass::isCompatibleReturnTypes(mlir::TypeRange inferred,
                                            mlir::TypeRange actual) {
      return llmc::nn::areCompatibleTypes(inferred, actual);
    }
  }];
  let extraClassDefinition = commonDefinition;
}

def NN_Tensor : AnyTypeOf<[AnyRankedTensor], "ranked tensor",
                          "::mlir::RankedTensorType">;
def NN_FloatTensor
    : RankedTensorOf<[AnyFloat]>;
def NN_BoolTensor : RankedTensorOf<[I1]>;
def NN_IndexVector : 1DTensorOf<[I64]>;

// One operand, result of the same type.
class NN_UnaryOp<string mnemonic, string what, Type operand = NN_Tensor,
                 list<Trait> traits = [], string attributes = "">
    : NN_TensorOp<mnemonic, traits> {
  let summary = what;
  let description = what # [{, element by element.

    ```mlir
    %1 = nn.}] # mnemonic # " %0" # attributes # [{ : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins operand:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = commonDefinition # [{
    llvm::LogicalResult $cppClass::inferReturnTypes(
        mlir::MLIRContext *, std::optional<mlir::Location>,
        mlir::ValueRange operands, mlir::DictionaryAttr, mlir::OpaqueProperties,
        mlir::RegionRange, llvm::SmallVectorImpl<mlir::Type> &types) {
      types.push_back(operands[0].getType());
      return mlir::success();
    }
  }];
}

class NN_FloatUnaryOp<string mnemonic, string what, string attributes = "">
    : NN_UnaryOp<mnemonic, what, NN_FloatTensor, [], attributes>;

#endif // LLMC_DIALECT_NN_NNBASE
