//===- NNActivation.td - Activation functions -----------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNACTIVATION
#define LLMC_DIALECT_NN_NNACTIVATION

include "llmc/Dialect/NN/NNBase.td"

def NN_ReluOp : NN_UnaryOp<"relu", "max(x, 0)">;
def NN_SigmoidOp : NN_FloatUnaryOp<"sigmoid", "1 / (1 + exp(-x))">;
def NN_SiluOp : NN_FloatUnaryOp<"silu", "x * sigmoid(x)">;
def NN_SoftplusOp : NN_FloatUnaryOp<"softplus", "log(1 + exp(x))">;

def NN_GeluOp : NN_FloatUnaryOp<"gelu", "x * Phi(x), or its approximation by tanh where `tanh` is set"> {
  let arguments = (ins NN_FloatTensor:$input, UnitAttr:$tanh);
}
def NN_LeakyReluOp : NN_FloatUnaryOp<"leaky_relu", "x where x >= 0, else alpha * x", " {alpha = 0.01 : f64}"> {
  let arguments = (ins NN_FloatTensor:$input, F64Attr:$alpha);
}
def NN_EluOp : NN_FloatUnaryOp<"elu", "x where x >= 0, else alpha * (exp(x) - 1)", " {alpha = 1.0 : f64}"> {
  let arguments = (ins NN_FloatTensor:$input, F64Attr:$alpha);
}
def NN_HardSigmoidOp : NN_FloatUnaryOp<"hard_sigmoid", "min(1, max(0, alpha * x + beta))",
                                        " {alpha = 0.2 : f64, beta = 0.5 : f64}"> {
  let arguments = (ins NN_FloatTensor:$input, F64Attr:$alpha, F64Attr:$beta);
}

class NN_SoftmaxLikeOp<string mnemonic, string what> : NN_FloatUnaryOp<mnemonic, what> {
  let arguments = (ins NN_FloatTensor:$input, I64Attr:$axis);
  let description = what # [{ along `axis`. A row of which every element is minus
    infinity gives zeros.

    [C1] 0 <= axis < rank

    ```mlir
    %1 = nn.}] # mnemonic # [{ %0 {axis = 1 : i64} : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let hasVerifier = 1;
}
def NN_SoftmaxOp : NN_SoftmaxLikeOp<"softmax", "exp(x - max) / sum(exp(x - max))">;
def NN_LogSoftmaxOp : NN_SoftmaxLikeOp<"log_softmax", "x - max - log(sum(exp(x - max)))">;

#endif // LLMC_DIALECT_NN_NNACTIVATION
