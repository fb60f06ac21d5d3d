//===- NNElementwise.td - Two and three operands, element by element ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNELEMENTWISE
#define LLMC_DIALECT_NN_NNELEMENTWISE

include "llmc/Dialect/NN/NNBase.td"

class NN_BinaryOp<string mnemonic, string what, list<Trait> traits = []>
    : NN_TensorOp<mnemonic, traits> {
  let summary = what;
  let description = what # [{, element by element, after broadcasting as NumPy
    does.

    [C1] both operands have the same element type
    [C2] the shapes broadcast

    ```mlir
    %2 = nn.}] # mnemonic # [{ %0, %1 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat =
      "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let extraClassDefinition = commonDefinition # [{
    llvm::LogicalResult $cppClass::inferReturnTypes(
        mlir::MLIRContext *, std::optional<mlir::Location> loc,
        mlir::ValueRange operands, mlir::DictionaryAttr, mlir::OpaqueProperties,
        mlir::RegionRange, llvm::SmallVectorImpl<mlir::Type> &types) {
      return llmc::nn::inferBinary(loc, getOperationName(), operands, types);
    }
  }];
}

def NN_AddOp : NN_BinaryOp<"add", "Sum", [Commutative]>;
def NN_SubOp : NN_BinaryOp<"sub", "Difference">;
def NN_MulOp : NN_BinaryOp<"mul", "Product", [Commutative]>;
def NN_DivOp : NN_BinaryOp<"div", "Quotient (integers: rounded to zero)">;
def NN_PowOp : NN_TensorOp<"pow"> {
  let summary = "Power";
  let description = [{
    `lhs` to the power of `rhs`, with broadcasting. The result has the element
    type of `lhs`.

    [C1] the shapes broadcast

    ```mlir
    %2 = nn.pow %0, %1 : (tensor<?xf32>, tensor<f32>) -> tensor<?xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat =
      "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}
def NN_ModOp : NN_BinaryOp<"mod", "Remainder with the sign of the divisor, or of the dividend where `fmod` is set"> {
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, UnitAttr:$fmod);
}
def NN_MinOp : NN_BinaryOp<"min", "Smaller of two (NaN wins)", [Commutative]>;
def NN_MaxOp : NN_BinaryOp<"max", "Larger of two (NaN wins)", [Commutative]>;
def NN_AndOp : NN_BinaryOp<"and", "Bitwise and", [Commutative]>;
def NN_OrOp : NN_BinaryOp<"or", "Bitwise or", [Commutative]>;
def NN_XorOp : NN_BinaryOp<"xor", "Bitwise exclusive or", [Commutative]>;

def NN_Predicate : I32EnumAttr<"Predicate", "comparison", [
    I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>,
    I32EnumAttrCase<"lt", 2>, I32EnumAttrCase<"le", 3>,
    I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]> {
  let cppNamespace = "::llmc::nn";
  let genSpecializedAttr = 0;
}
def NN_PredicateAttr : EnumAttr<NN_Dialect, NN_Predicate, "predicate">;

def NN_CompareOp : NN_TensorOp<"compare"> {
  let summary = "Comparison";
  let description = [{
    Compares element by element with broadcasting; the result is boolean. A
    comparison with NaN is false, except `ne`.

    [C1] both operands have the same element type
    [C2] the shapes broadcast

    ```mlir
    %2 = nn.compare lt %0, %1 : (tensor<?x1xi64>, tensor<4xi64>) -> tensor<?x4xi1>
    ```
  }];
  let arguments = (ins NN_PredicateAttr:$predicate, NN_Tensor:$lhs, NN_Tensor:$rhs);
  let results = (outs NN_BoolTensor:$result);
  let assemblyFormat = "$predicate $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def NN_WhereOp : NN_TensorOp<"where"> {
  let summary = "Choice between two tensors";
  let description = [{
    `on_true` where `condition` holds, else `on_false`, with broadcasting.

    [C1] both values have the same element type
    [C2] the shapes broadcast

    ```mlir
    %3 = nn.where %c, %0, %1 : (tensor<4xi1>, tensor<?x4xf32>, tensor<f32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_BoolTensor:$condition, NN_Tensor:$on_true, NN_Tensor:$on_false);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNELEMENTWISE
