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
def NN_ScaleSourceAttr : NN_Attr<"ScaleSource", "scale"> {
  let summary = "The source with entry i along `axis` times factors[i], or divided by it";
  let description = "Computed in double precision. Example: `#nn.scale<#nn.key<\"w\" : tensor<4x8xf32>>, #nn.key<\"t\" : tensor<8xf32>>, 1, true>` divides column i by t[i].";
  let parameters = (ins "::mlir::Attribute":$source, "::mlir::Attribute":$factors, "int64_t":$axis, "bool":$inverse);
  let assemblyFormat = "`<` $source `,` $factors `,` $axis `,` $inverse `>`";
}
def NN_RotaryTableAttr : NN_Attr<"RotaryTable", "rotary_table"> {
  let summary = "scale * cos(p * f[j]) (or sin) for positions p < rows and the frequencies f of the source";
  let description = "`sine` chooses the function. The angle is formed in single precision, as exporters do, its function in double.";
  let parameters = (ins "::mlir::Attribute":$frequencies, "int64_t":$rows, "::mlir::FloatAttr":$scale, "bool":$sine);
  let assemblyFormat = "`<` $frequencies `,` $rows `,` $scale `,` $sine `>`";
}

def NN_UnpackSourceAttr : NN_Attr<"UnpackSource", "unpack"> {
  let summary = "Integers of a few bits, taken out of bytes";
  let description = [{
    Each byte of the last axis of the source holds 8 / `bits` integers, the low
    bits first. The last axis of the result has the first `count` of them, with
    a sign where `type` has one: i8, not ui8.
    Example: `#nn.unpack<#nn.key<"q" : tensor<64x32xui8>>, 4, 64, ui8>`
  }];
  let parameters = (ins "::mlir::Attribute":$source, "int64_t":$bits, "int64_t":$count, "::mlir::Type":$type);
  let assemblyFormat = "`<` $source `,` $bits `,` $count `,` $type `>`";
}
def NN_DequantSourceAttr : NN_Attr<"DequantSource", "dequant"> {
  let summary = "(codes - zeros) * scales in f32, with a scale for every block of codes";
  let description = [{
    Axis i has a scale for every `blocks[i]` codes; the last block may be short.
    `zeros` is a source of the shape of the scales, or one integer for all. The
    value is computed in f64, which holds the product of codes of 8 bits
    exactly, and rounded once.
    Example: `#nn.dequant<#nn.key<"q" : tensor<64x64xi8>>, #nn.key<"s" : tensor<64x2xf32>>, 0, [1, 32]>`
  }];
  let parameters = (ins "::mlir::Attribute":$codes, "::mlir::Attribute":$scales, "::mlir::Attribute":$zeros,
                        ArrayRefParameter<"int64_t">:$blocks);
  let assemblyFormat = "`<` $codes `,` $scales `,` $zeros `,` `[` $blocks `]` `>`";
}
def NN_BlocksSourceAttr : NN_Attr<"BlocksSource", "blocks"> {
  let summary = "Quantized blocks as they lie in GGUF files, decoded to f32";
  let description = [{
    The source holds the bytes of a row of blocks in each of its rows.
    Example: `#nn.blocks<#nn.key<"w" : tensor<64x40xui8>>, "q4_1">`, 64 rows of
    two blocks of 32 numbers.
  }];
  let parameters = (ins "::mlir::Attribute":$source, StringRefParameter<>:$type);
  let assemblyFormat = "`<` $source `,` $type `>`";
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
    [C7] `unpack` takes integers of 1, 2, 4 or 8 bits out of ui8, as i8 or ui8
    [C8] `unpack` takes no more than there are
    [C9] codes of `dequant` are integers of 8, 16 or 32 bits
    [C10] scales of `dequant` are floating point numbers, one for each block
    [C11] zeros of `dequant` are a code, or have the shape of the scales and the type of the codes or a floating point type
    [C12] `blocks` names a block type of GGUF files
    [C13] `blocks` has rows of ui8 that are whole blocks
    [C14] factors of `scale` have rank 1, the extent of its axis and the floating point type of its source

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
