//===- NNAttention.td - Attention, rotary embedding, cache ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Layout everywhere: time before heads, [..., time, heads, head size]. A cache
// is [heads, capacity, head size]; its order in memory is chosen by the
// lowering and private to the model.
//
// The element type of a cache is its format. Where a rule asks for one element
// type, a cache may be encoded instead: rows of f32 in bf16 or in i8, which adds
// four bytes of scale to a row (llmc/Dialect/NN/CacheFormat.h). Attention reads
// what was encoded, for the rows of the call itself as for all others.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_NN_NNATTENTION
#define LLMC_DIALECT_NN_NNATTENTION

include "llmc/Dialect/NN/NNBase.td"

def NN_CacheTensor
    : RankedTensorOf<[AnyFloat, I8]>;

def NN_AttentionOp : NN_TensorOp<"attention"> {
  let summary = "Scaled dot-product attention with grouped heads";
  let description = [{
    For query head h and its key/value head g = h / (query heads / key heads):
    `softmax(softcap(scale * q k^T) + mask) v` (Vaswani et al. 2017, section
    3.2.1; grouped heads: Ainslie et al. 2023). Query row s sees key t only if
    * `causal`: t <= s + T - S, S query rows and T keys (aligned at the end);
    * `window` w: t > s + T - S - w;
    * a boolean `mask` is true there. A floating point mask is added.
    `softcap` c: x becomes c * tanh(x / c). A row that sees nothing gives zeros.

    [C1] query, key, value have rank 4 `[batch, time, heads, size]` and one element type
    [C2] key and value agree in time and heads; query and key in head size
    [C3] the query heads are a multiple of the key heads
    [C4] `mask` is boolean or of the query's element type and broadcasts to `[batch, query heads, S, T]`
    [C5] `window` is positive; it needs `causal`

    ```mlir
    %o = nn.attention %q, %k, %v {scale = 0.125 : f64, causal}
       : (tensor<?x?x4x64xf32>, tensor<?x?x2x64xf32>, tensor<?x?x2x64xf32>) -> tensor<?x?x4x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$query, NN_FloatTensor:$key, NN_FloatTensor:$value,
                   Optional<NN_Tensor>:$mask, F64Attr:$scale, UnitAttr:$causal,
                   OptionalAttr<I64Attr>:$window, OptionalAttr<F64Attr>:$softcap);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$query `,` $key `,` $value (`mask` $mask^)? attr-dict `:` functional-type(operands, results)";
}

def NN_CachedAttentionOp : NN_TensorOp<"cached_attention"> {
  let summary = "Causal attention of new rows over a cache";
  let description = [{
    As `nn.attention` with `causal`, for one sequence whose keys and values lie
    in a cache: query row s stands at position `position + s` and sees the cache
    rows `t <= position + s` (and `t > position + s - window`). The new keys and
    values are already appended.

    [C1] query is `[time, heads, size]`, key and value `[heads, capacity, size]`, one element type
    [C2] key and value agree in heads and capacity; query and key in head size
    [C3] the query heads are a multiple of the key heads
    [C4] `window` is positive

    ```mlir
    %o = nn.cached_attention %q, %k, %v at %p {scale = 0.125 : f64}
       : (tensor<?x4x64xf32>, tensor<2x?x64xf32>, tensor<2x?x64xf32>, index) -> tensor<?x4x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$query, NN_CacheTensor:$key, NN_CacheTensor:$value,
                   Index:$position, F64Attr:$scale,
                   OptionalAttr<I64Attr>:$window, OptionalAttr<F64Attr>:$softcap);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$query `,` $key `,` $value `at` $position attr-dict `:` functional-type(operands, results)";
}

def NN_AppendOp : NN_TensorOp<"append"> {
  let summary = "Writes new rows into a cache";
  let description = [{
    The cache with rows `position .. position + time - 1` of every head replaced
    by the rows of `input`.

    [C1] cache is `[heads, capacity, size]`, input `[time, heads, size]`, one element type
    [C2] heads and size agree

    ```mlir
    %1 = nn.append %cache, %x at %p : (tensor<2x?x64xf32>, tensor<?x2x64xf32>, index) -> tensor<2x?x64xf32>
    ```
  }];
  let arguments = (ins NN_CacheTensor:$cache, NN_FloatTensor:$input, Index:$position);
  let results = (outs NN_CacheTensor:$result);
  let assemblyFormat = "$cache `,` $input `at` $position attr-dict `:` functional-type(operands, results)";
}

def NN_RotaryOp : NN_TensorOp<"rotary"> {
  let summary = "Rotary position embedding";
  let description = [{
    Rotates pairs of channels of each head by the angle whose cosine and sine
    are given for each row (Su et al. 2021, section 3.2.2). With R twice the last
    extent of `cos`: the pair j is the channels (j, j + R/2), or (2j, 2j + 1)
    where `interleaved` is set; channels from R on are copied.

    [C1] input is `[..., time, heads, size]` with rank 3 or 4; `cos` and `sin` are `[..., time, R/2]`, one rank less
    [C2] `cos` and `sin` have one type, and the element type of the input
    [C3] R is not larger than the head size

    ```mlir
    %1 = nn.rotary %0, %c, %s : (tensor<?x4x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x4x64xf32>
    ```
  }];
  let arguments = (ins NN_FloatTensor:$input, NN_FloatTensor:$cos, NN_FloatTensor:$sin, UnitAttr:$interleaved);
  let results = (outs NN_FloatTensor:$result);
  let assemblyFormat = "$input `,` $cos `,` $sin attr-dict `:` functional-type(operands, results)";
}

#endif // LLMC_DIALECT_NN_NNATTENTION
