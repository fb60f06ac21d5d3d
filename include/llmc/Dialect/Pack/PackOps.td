//===- PackOps.td - Ops over packed matrices ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_PACK_PACKOPS
#define LLMC_DIALECT_PACK_PACKOPS

include "llmc/Dialect/Pack/PackBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

// As with the nn dialect, the result type is inferred and a more static one is
// accepted; a label [C1] is a line of the verifier and a case in invalid.mlir.
class Pack_Op<string mnemonic, list<Trait> traits = []>
    : Op<Pack_Dialect, mnemonic,
         !listconcat([Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>], traits)> {
  let extraClassDeclaration = [{
    static bool isCompatibleReturnTypes(mlir::TypeRange inferred, mlir::TypeRange actual);
  }];
  let extraClassDefinition = [{
    bool $cppClass::isCompatibleReturnTypes(mlir::TypeRange inferred, mlir::TypeRange actual) {
      return llmc::nn::areCompatibleTypes(inferred, actual);
    }
  }];
  let results = (outs AnyRankedTensor:$result);
}

def Pack_LinearOp : Pack_Op<"linear", [AttrSizedOperandSegments]> {
  let summary = "Product with a packed weight matrix, and a bias";
  let description = [{
    `result[..., n] = sum_k factors[k] * input[..., k] * weight[n, k] + bias[n]`;
    no factors are ones. A method that divides the columns of a matrix before it
    rounds them leaves their factors here.

    A quantized weight is multiplied with an input in groups of 32 columns, each
    with a scale: `activations` of i8, which is what stands for none, or i16; or
    rounded to bf16 without one; or of f32, where the input stays as it is. A row of
    the result does not depend on the rows beside it.

    [C1] the input has rank 1 or more and as many columns as the weight
    [C2] `bias` has rank 1 and as many entries as the weight has rows
    [C3] the element types are the compute type of the weight's format
    [C4] `factors` has rank 1 and as many entries as the weight has columns
    [C5] `activations` is i8, i16, bf16 or f32, and the format of the weight is quantized

    ```mlir
    %1 = pack.linear %x, %w : (tensor<?x64xf32>, !pack.tensor<172x64, #pack.dense<f32>, #pack.rows<32>>) -> tensor<?x172xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$input, Pack_TensorType:$weight, Optional<AnyRankedTensor>:$bias,
                   Optional<AnyRankedTensor>:$factors, OptionalAttr<TypeAttr>:$activations);
  let assemblyFormat = [{
    $input `,` $weight (`,` $bias^)? (`factors` `(` $factors^ `)`)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Pack_GatherOp : Pack_Op<"gather"> {
  let summary = "Rows of a packed matrix, chosen by index";
  let description = [{
    `result[..., c] = weight[indices[...], c]`. Negative indices count from the
    end; an index outside reads the nearest row that exists.

    ```mlir
    %1 = pack.gather %w, %i : (!pack.tensor<512x64, #pack.dense<f32>, #pack.rows<32>>, tensor<?xi64>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Pack_TensorType:$weight, RankedTensorOf<[I32, I64]>:$indices);
  let assemblyFormat = "$weight `,` $indices attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_PACK_PACKOPS
