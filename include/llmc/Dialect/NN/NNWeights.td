//===- NNWeights.td - Weights as symbols, and where their bytes are -------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A weight is a symbol with a type and a source. A source is a small expression
// over stored tensors; editing a weight (transposing it, taking rows) is an edit
// of its source, and no byte is read before the packed file is written.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNWEIGHTS
#define LLMC_DIALECT_NN_NNWEIGHTS

include "llmc/Dialect/NN/NNBase.td"
include "mlir/IR/SymbolInterfaces.td"

def NN_KeyAttr : NN_Attr<"Key", "key"> {
  let summary = "A stored tensor, by its name in the weight store";
  let description = "`type` is the type as stored. Example: `#nn.key<\"layers.0.q\" : tensor<64x64xf32>>`";
  let parameters = (ins StringRefParameter<>:$name, "::mlir::RankedTensorType":$type);
  let assemblyFormat = "`<` $name `:` $type `>`";
}
def NN_DenseSourceAttr : NN_Attr<"DenseSource", "dense"> {
  let summary = "Values in the IR, for small tensors and tests";
  let parameters = (ins "::mlir::ElementsAttr":$values);
  let assemblyFormat = "`<` $values `>`";
}
def NN_TransposeSourceAttr : NN_Attr<"TransposeSource", "transpose"> {
  let summary = "The source with its axes permuted: axis i is axis perm[i] of the source";
  let parameters = (ins "::mlir::Attribute":$source, ArrayRefParameter<"int64_t">:$perm);
  let assemblyFormat = "`<` $source `,` `[` $perm `]` `>`";
}
def NN_RowsSourceAttr : NN_Attr<"RowsSource", "rows"> {
  let summary = "Rows begin .. end-1 along axis 0 of the source";
  let parameters = (ins "::mlir::Attribute":$source, "int64_t":$begin, "int64_t":$end);
  let assemblyFormat = "`<` $source `,` $begin `,` $end `>`";
}
def NN_ConcatSourceAttr : NN_Attr<"ConcatSource", "concat"> {
  let summary = "The sources one after the other along axis 0";
  let parameters = (ins ArrayRefParameter<"::mlir::Attribute">:$sources);
  let assemblyFormat = "`<` `[` $sources `]` `>`";
}
def NN_ReshapeSourceAttr : NN_Attr<"ReshapeSource", "reshape"> {
  let summary = "The source in another shape, row-major order kept";
  let parameters = (ins "::mlir::Attribute":$source, ArrayRefParameter<"int64_t">:$shape);
  let assemblyFormat = "`<` $source `,` `[` $shape `]` `>`";
}
def NN_CastSourceAttr : NN_Attr<"CastSource", "cast"> {
  let summary = "The source converted to another element type";
  let parameters = (ins "::mlir::Attribute":$source, "::mlir::Type":$type);
  let assemblyFormat = "`<` $source `,` $type `>`";
}
def NN_AffineSourceAttr : NN_Attr<"AffineSource", "affine"> {
  let summary = "scale * source + offset, computed in double precision";
  let parameters = (ins "::mlir::Attribute":$source, "::mlir::FloatAttr":$scale, "::mlir::FloatAttr":$offset);
  let assemblyFormat = "`<` $source `,` $scale `,` $offset `>`";
}
def NN_RotaryTableAttr : NN_Attr<"RotaryTable", "rotary_table"> {
  let summary = "scale * cos(p * f[j]) (or sin) for positions p < rows and the frequencies f of the source";
  let description = "`sine` chooses the function. The angle is formed in single precision, as exporters do, its function in double.";
  let parameters = (ins "::mlir::Attribute":$frequencies, "int64_t":$rows, "::mlir::FloatAttr":$scale, "bool":$sine);
  let assemblyFormat = "`<` $frequencies `,` $rows `,` $scale `,` $sine `>`";
}

def NN_WeightOp : NN_Op<"weight", [Symbol]> {
  let summary = "Declares a weight";
  let description = [{
    A weight of the model, at module level: its name is the one a person would
    use, its bytes are those of `source`.

    [C1] the type of the source, where it is known to the dialect, is the declared type
    [C2] `transpose` permutes the axes of its source
    [C3] `rows` lie inside the first extent
    [C4] the parts of `concat` differ in the first extent alone, and there is one at least
    [C5] `reshape` keeps the number of elements
    [C6] `rotary_table` has a source of rank 1 and one row or more

    ```mlir
    nn.weight @layers.0.q_proj : tensor<64x64xf32> from #nn.key<"val_12" : tensor<64x64xf32>>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, AnyAttr:$source);
  let assemblyFormat = "$sym_name `:` $type `from` $source attr-dict";
  let hasVerifier = 1;
}

def NN_GetOp : NN_Op<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Brings a weight into the code";
  let description = [{
    Pure but not constant-like: equal ones merge, dead ones vanish, and nothing
    folds through them.

    [C1] the symbol names an `nn.weight`
    [C2] the result type is the type of that weight

    ```mlir
    %0 = nn.get @layers.0.q_proj : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

#endif // LLMC_DIALECT_NN_NNWEIGHTS
