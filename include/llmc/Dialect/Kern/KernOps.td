//===- KernOps.td - Kernels in destination-passing style ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ops for which llmc generates its own code. Each writes into its last
// operand: on tensors the result is the new value of that operand, on memrefs
// there is no result. One-shot bufferization turns one form into the other in
// place. What lowering to loops cannot reach (register tiles, packed weights,
// the private order of caches) is hidden behind them until
// `llmc-expand-kernels`.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_KERN_KERNOPS
#define LLMC_DIALECT_KERN_KERNOPS

include "llmc/Dialect/Pack/PackBase.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kern_Dialect : Dialect {
  let name = "kern";
  let cppNamespace = "::llmc::kern";
  let summary = "Kernels that llmc generates, in destination-passing style";
  let dependentDialects = ["::llmc::pack::PackDialect", "::mlir::tensor::TensorDialect"];
  let extraClassDeclaration = [{
    void registerOps();
    void registerBufferization();
  }];
}

def Kern_F32 : AnyTypeOf<[RankedTensorOf<[F32]>, MemRefOf<[F32]>], "ranked tensor or memref of f32", "::mlir::ShapedType">;
def Kern_Bytes : AnyTypeOf<[RankedTensorOf<[I8]>, MemRefOf<[I8]>], "ranked tensor or memref of bytes", "::mlir::ShapedType">;
def Kern_Cache : AnyTypeOf<[RankedTensorOf<[F32, BF16, I8]>, MemRefOf<[F32, BF16, I8]>], "ranked tensor or memref of f32, bf16 or bytes", "::mlir::ShapedType">;
def Kern_Index : AnyTypeOf<[RankedTensorOf<[I32, I64]>, MemRefOf<[I32, I64]>], "ranked tensor or memref of integers", "::mlir::ShapedType">;

class Kern_Op<string mnemonic>
    : Op<Kern_Dialect, mnemonic,
         [DestinationStyleOpInterface,
          DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
          DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface, ["reifyResultShapes"]>]> {
  let results = (outs Optional<AnyRankedTensor>:$result);
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    mlir::MutableOperandRange getDpsInitsMutable() { return getInitMutable(); }
  }];
}

def Kern_LinearOp : Kern_Op<"linear"> {
  let summary = "Product with a packed weight matrix";
  let description = [{
    `init[..., n] = sum_k input[..., k] * weight[n, k] + bias[n]`. Each output is
    one chain of fused multiply-adds in the order of k, so that a row does not
    depend on the rows beside it.

    With `joined`, the product does not depend on the product before it in the
    block, nor on what that one depends on, and runs together with it. With `adds`,
    sums begin with what `init` holds.

    [C1] `input` and `init` agree but for the last extent: the columns and rows of `weight`
    [C2] `bias` has rank 1 and as many entries as the weight has rows
    [C3] with `adds` there is no `bias`

    ```mlir
    %1 = kern.linear ins(%x, %w : tensor<?x64xf32>, !pack.tensor<172x64, #pack.dense<f32>, #pack.rows<32>>)
                     outs(%0 : tensor<?x172xf32>) -> tensor<?x172xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Pack_TensorType:$weight, Optional<Kern_F32>:$bias, Kern_F32:$init,
                   UnitAttr:$joined, UnitAttr:$adds);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight (`,` $bias^)? `:` type($input) `,` qualified(type($weight)) (`,` type($bias)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_SideOp : Op<Kern_Dialect, "side", [Pure]> {
  let summary = "One of the two matrices that a format with a rank adds";
  let description = [{
    The product of the two is a part of the value of `weight`, behind whose codes
    they lie (llmc/Formats/Layout.h): the right one `[rank][columns]` or, with
    `left`, `[rows][rank]`, in bf16. Takes a place, and computes nothing.

    [C1] the format of `weight` is quantized and has a rank
    [C2] the result is that matrix, in the tiles in which it lies

    ```mlir
    %0 = kern.side %w : (!pack.tensor<172x64, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>) -> !pack.tensor<4x64, #pack.dense<bf16>, #pack.rows<8>>
    ```
  }];
  let arguments = (ins Pack_TensorType:$weight, UnitAttr:$left);
  let results = (outs Pack_TensorType:$result);
  let builders = [OpBuilder<(ins "::mlir::Value":$weight, "bool":$left)>];
  let assemblyFormat = "$weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Where it begins, in bytes from the beginning of the weight.
    int64_t getOffset();
  }];
}

def Kern_SparseLinearOp : Kern_Op<"sparse_linear"> {
  let summary = "Adds the product with the sparse part of a compressed matrix";
  let description = [{
    `init[..., n] += sum over j of input[..., column[n, j]] * value[n, j]`, of the
    numbers that the format of `weight` has beside its codes
    (llmc/Formats/Layout.h). Each output is one chain of fused multiply-adds in the
    order of j, which begins with what `init` holds, so that a row does not depend
    on the rows beside it. `joined` is that of `kern.linear`.

    [C1] the format of `weight` is quantized and has a sparse part
    [C2] `input` and `init` agree but for the last extent: the columns and rows of `weight`

    ```mlir
    %1 = kern.sparse_linear ins(%x, %w : tensor<?x64xf32>, !pack.tensor<172x64, #pack.quantized<"u4g32.f16.sp20">, #pack.rows<16>>)
                            outs(%0 : tensor<?x172xf32>) -> tensor<?x172xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Pack_TensorType:$weight, Kern_F32:$init, UnitAttr:$joined);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight `:` type($input) `,` qualified(type($weight)) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_QuantizeOp : Kern_Op<"quantize"> {
  let summary = "Rows as the kernels of compressed matrices read them";
  let description = [{
    Each 32 columns of a row of `input` (times `factors`) become cache lines: 32
    codes about `x / s` for a scale `s`, `s`, and sums of the codes. How many bytes
    the row of `init` has tells what a code is: 64 for each 32 columns, 8 bits;
    128, 16 bits; 96, the number in bf16, rounded to the nearest, halves to even;
    192, the number itself in f32. `init` is for the kernels alone.

    [C1] `init` has the extents of `input` but for the last: 64, 96, 128 or 192 for each 32 columns
    [C2] `factors` has rank 1 and as many entries as `input` has columns

    ```mlir
    %1 = kern.quantize ins(%x : tensor<?x70xf32>) outs(%0 : tensor<?x192xi8>) -> tensor<?x192xi8>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Optional<Kern_F32>:$factors, Kern_Bytes:$init);
  let assemblyFormat = [{
    `ins` `(` $input (`,` $factors^)? `:` type($input) (`,` type($factors)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_RotateOp : Kern_Op<"rotate"> {
  let summary = "Rows times a Hadamard matrix in each block of columns";
  let description = [{
    `init[..., :] = (factors * input[..., :]) H`, with the H of blocks of `size`
    columns that llmc/Formats/Hadamard.h describes, to the same bits as there. It is
    the input of a product with a matrix whose format has that transform, and what
    makes stored rows of such a matrix its rows.

    [C1] `input` and `init` have the same extents
    [C2] `factors` has rank 1 and as many entries as `input` has columns
    [C3] `size` is 16, 32, 64, 128 or 256

    ```mlir
    %1 = kern.rotate ins(%x : tensor<?x70xf32>) outs(%0 : tensor<?x70xf32>) {size = 64 : i64} -> tensor<?x70xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Optional<Kern_F32>:$factors, Kern_F32:$init, I64Attr:$size);
  let assemblyFormat = [{
    `ins` `(` $input (`,` $factors^)? `:` type($input) (`,` type($factors)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_PermuteOp : Kern_Op<"permute"> {
  let summary = "Columns in the order in which a matrix stores them";
  let description = [{
    `init[..., j] = factors[order[j]] * input[..., order[j]]`, of the order that the
    format of `weight` has beside its codes (llmc/Formats/Layout.h). It is the input
    of a product with that matrix.

    [C1] the format of `weight` is quantized and has an order of columns
    [C2] `input` and `init` have the same extents, the last one the columns of `weight`
    [C3] `factors` has rank 1 and as many entries as `input` has columns

    ```mlir
    %1 = kern.permute ins(%x, %w : tensor<?x64xf32>, !pack.tensor<172x64, #pack.quantized<"u4g32.p">, #pack.rows<16>>)
                      outs(%0 : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Pack_TensorType:$weight, Optional<Kern_F32>:$factors, Kern_F32:$init);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight (`,` $factors^)? `:` type($input) `,` qualified(type($weight)) (`,` type($factors)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_QuantizedLinearOp : Kern_Op<"quantized_linear"> {
  let summary = "Product of quantized rows with a compressed matrix";
  let description = [{
    As `kern.linear`, of rows that `kern.quantize` made. Dot products of codes are
    exact integers; groups of columns are added in their order. The matrix is taken
    as it is stored: under a transform of its format, `kern.rotate` makes the input,
    and where columns have an order of their own, `kern.permute`.

    [C1] `input` and `init` agree but for the last extent: bytes of a row as `kern.quantize` makes it, and rows of `weight`
    [C2] `bias` has rank 1 and as many entries as the weight has rows
    [C3] the format of `weight` is quantized

    ```mlir
    %1 = kern.quantized_linear ins(%q, %w : tensor<?x128xi8>, !pack.tensor<172x64, #pack.quantized<"u4g32.f16">, #pack.rows<16>>)
                               outs(%0 : tensor<?x172xf32>) -> tensor<?x172xf32>
    ```
  }];
  let arguments = (ins Kern_Bytes:$input, Pack_TensorType:$weight, Optional<Kern_F32>:$bias, Kern_F32:$init, UnitAttr:$joined);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight (`,` $bias^)? `:` type($input) `,` qualified(type($weight)) (`,` type($bias)^)? `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_GatherOp : Kern_Op<"gather"> {
  let summary = "Rows of a packed matrix";
  let description = [{
    `init[..., c] = weight[indices[...], c]`, with the reading of indices of
    `pack.gather`. Columns are in the order of the matrix. Under a transform of the
    format rows are as they are stored, and `kern.rotate` makes them those of the
    matrix.

    [C1] `init` has the extents of `indices` and then the columns of `weight`

    ```mlir
    %1 = kern.gather ins(%w, %i : !pack.tensor<512x64, #pack.dense<f32>, #pack.rows<32>>, tensor<?xi64>)
                     outs(%0 : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Pack_TensorType:$weight, Kern_Index:$indices, Kern_F32:$init);
  let assemblyFormat = [{
    `ins` `(` $weight `,` $indices `:` qualified(type($weight)) `,` type($indices) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_AppendOp : Kern_Op<"append"> {
  let summary = "Writes new rows into a cache";
  let description = [{
    Writes the rows of `input` `[time, heads, size]` to the positions from
    `position` on of the cache `init` `[heads, capacity, stored row]`, encoded as
    llmc/Dialect/NN/CacheFormat.h says; the rest stays. Rows past the capacity are
    dropped. Only `kern.append` and `kern.attention` know the order in memory:
    * values: `[heads][capacity][size]`; of bytes after scales f32 `[capacity]`;
    * `keys`: `[heads][capacity / 16][size][16]`, sixteen positions side by side.
      The last block of a head is as narrow as what is left of the capacity, so
      that any capacity takes exactly its declared bytes. Scales as for values.

    [C1] `init` and `input` have rank 3 and agree in heads and size, but for the scale in a row of bytes

    ```mlir
    %1 = kern.append ins(%x, %p : tensor<?x2x64xf32>) outs(%0 : tensor<2x?x68xi8>) {keys} -> tensor<2x?x68xi8>
    ```
  }];
  let arguments = (ins Kern_F32:$input, Index:$position, Kern_Cache:$init, UnitAttr:$keys);
  let assemblyFormat = [{
    `ins` `(` $input `,` $position `:` type($input) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_AttentionOp : Kern_Op<"attention"> {
  let summary = "Causal attention of new rows over a cache";
  let description = [{
    As `nn.cached_attention`: row s of `query` `[time, heads, size]` sees the
    positions `t <= position + s` (and `t > position + s - window`) of `key` and
    `value` `[heads, capacity, stored row]`, in the order and the format that
    `kern.append` gave them. The cache is read in chunks of 256 positions that are
    combined in order, so that a row does not depend on the rows beside it.

    [C1] all have rank 3; key and value agree in heads, capacity and element type, query and key in size, query and init but for the size, which is that of value
    [C2] the query heads are a multiple of the key heads; heads and sizes are static
    [C3] `window` is positive

    ```mlir
    %1 = kern.attention ins(%q, %k, %v, %p : tensor<?x4x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32>)
                        outs(%0 : tensor<?x4x64xf32>) {scale = 0.125 : f64} -> tensor<?x4x64xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$query, Kern_Cache:$key, Kern_Cache:$value, Index:$position,
                   Kern_F32:$init, F64Attr:$scale, OptionalAttr<I64Attr>:$window,
                   OptionalAttr<F64Attr>:$softcap);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `,` $position `:` type($query) `,` type($key) `,` type($value) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_AttentionChunksOp : Kern_Op<"attention_chunks"> {
  let summary = "Attention of one new row over each chunk of a cache by itself";
  let description = [{
    The first half of `kern.attention` for a `query` of one time: what the row at
    `position` takes from each chunk of 256 positions that it sees, before chunks
    are combined. Chunks and key heads are independent, so threads share a long
    cache evenly however few heads there are. `init` `[chunks, heads, row]` is for
    `kern.attention_join` alone: a row holds sums of weighted values, in whole
    groups of 16, and then the chunk's largest score and sum of weights.

    [C1] query, key and value as for `kern.attention`, and `query` has one time
    [C2] `init` has the heads of `query`, and a row of the value's size, rounded up to 16, and 16 more
    [C3] `window` is positive

    ```mlir
    %1 = kern.attention_chunks ins(%q, %k, %v, %p : tensor<1x4x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32>)
                               outs(%0 : tensor<?x4x80xf32>) {scale = 0.125 : f64} -> tensor<?x4x80xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$query, Kern_Cache:$key, Kern_Cache:$value, Index:$position,
                   Kern_F32:$init, F64Attr:$scale, OptionalAttr<I64Attr>:$window,
                   OptionalAttr<F64Attr>:$softcap);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `,` $position `:` type($query) `,` type($key) `,` type($value) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

def Kern_AttentionJoinOp : Kern_Op<"attention_join"> {
  let summary = "Combines what attention took from the chunks of a cache";
  let description = [{
    The second half of `kern.attention`, with the `window` of the first: combines
    what `kern.attention_chunks` found for the row at `position`, chunk by chunk in
    their order, to the same bits.

    [C1] `init` `[1, heads, size]` has the heads of `chunks`, whose row is the size, rounded up to 16, and 16 more
    [C2] `window` is positive

    ```mlir
    %2 = kern.attention_join ins(%1, %p : tensor<?x4x80xf32>) outs(%0 : tensor<1x4x64xf32>) -> tensor<1x4x64xf32>
    ```
  }];
  let arguments = (ins Kern_F32:$chunks, Index:$position, Kern_F32:$init, OptionalAttr<I64Attr>:$window);
  let assemblyFormat = [{
    `ins` `(` $chunks `,` $position `:` type($chunks) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($result)^)?
  }];
}

#endif // LLMC_DIALECT_KERN_KERNOPS
