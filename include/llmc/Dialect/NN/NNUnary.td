//===- NNUnary.td - One operand, element by element -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNUNARY
#define LLMC_DIALECT_NN_NNUNARY

include "llmc/Dialect/NN/NNBase.td"

def NN_NegOp : NN_UnaryOp<"neg", "Negation">;
def NN_AbsOp : NN_UnaryOp<"abs", "Absolute value">;
def NN_SignOp : NN_UnaryOp<"sign", "Sign: -1, 0 or 1">;
def NN_NotOp : NN_UnaryOp<"not", "Bitwise complement">;
def NN_ExpOp : NN_FloatUnaryOp<"exp", "Natural exponential">;
def NN_LogOp : NN_FloatUnaryOp<"log", "Natural logarithm">;
def NN_SqrtOp : NN_FloatUnaryOp<"sqrt", "Square root">;
def NN_RsqrtOp : NN_FloatUnaryOp<"rsqrt", "Reciprocal of the square root">;
def NN_ReciprocalOp : NN_FloatUnaryOp<"reciprocal", "Reciprocal">;
def NN_SinOp : NN_FloatUnaryOp<"sin", "Sine">;
def NN_CosOp : NN_FloatUnaryOp<"cos", "Cosine">;
def NN_TanhOp : NN_FloatUnaryOp<"tanh", "Hyperbolic tangent">;
def NN_ErfOp : NN_FloatUnaryOp<"erf", "Error function">;
def NN_FloorOp : NN_FloatUnaryOp<"floor", "Largest integer not above">;
def NN_CeilOp : NN_FloatUnaryOp<"ceil", "Smallest integer not below">;
def NN_RoundOp : NN_FloatUnaryOp<"round", "Nearest integer, halves to even">;

def NN_IsNanOp : NN_TensorOp<"is_nan"> {
  let summary = "Whether an element is not a number";
  let description = [{
    True where the operand is NaN.

    ```mlir
    %1 = nn.is_nan %0 : (tensor<?xf32>) -> tensor<?xi1>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input);
  let results = (outs NN_BoolTensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
}

def NN_CastOp : NN_Op<"cast", [Pure, SameOperandsAndResultShape]> {
  let summary = "Conversion of the element type";
  let description = [{
    Converts each element to the element type of the result: to a boolean as
    "is not zero", from floating point to integers toward zero, between floating
    point types to nearest even.

    ```mlir
    %1 = nn.cast %0 : (tensor<?x4xi64>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins NN_Tensor:$input);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

#endif // LLMC_DIALECT_NN_NNUNARY
