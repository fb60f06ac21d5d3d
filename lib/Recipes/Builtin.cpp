//===- Builtin.cpp - The recipes that llmc brings -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Recipes/Recipe.h"

using namespace llmc;

static constexpr BuiltinRecipe kRecipes[] = {
    {"f32", R"(summary: weights in single precision
quantize: []
)"},
    {"bf16", R"(summary: matrices in half of the bytes, rounded to bf16
quantize:
  - {format: bf16}
)"},
    {"keep", R"(summary: weights that come compressed stay as they are
quantize:
  - {method: keep}
)"},
    {"w8", R"(summary: all matrices at 8 bits, 8.5 with scales
quantize:
  - {method: mse, format: i8g32}
)"},
    // Values, and what is added to the residual stream, bear the least error:
    // five bits there cost little and halve the divergence. Ten candidates are
    // enough for levels about 0: twenty lower the error by a ten-thousandth.
    // Queries and keys can share the scale of columns at no cost, so that their
    // input is scaled and rounded once; values, gates and up-projections cannot.
    {"w4", R"(summary: linear layers and tables at 4 to 5 bits with scales
kv: i8
quantize:
  - {read: gather, method: mse, candidates: 10, format: sl4}
  - match: '(down_proj|v_proj|o_proj|out_proj|c_proj|fc2|ffn_down|attn_v|attn_output)'
    method: sinq
    quantizer: mse
    candidates: 10
    format: i5g32.f32r-i8
  - match: '(q_proj|k_proj|attn_q|attn_k)'
    method: sinq
    share: true
    quantizer: mse
    candidates: 10
    format: sl4
  - {method: sinq, quantizer: mse, candidates: 10, format: sl4}
)"},
    // The same holds of three bits, and most of it of values and what attention
    // adds, which are a sixth of a layer.
    {"w3", R"(summary: linear layers at 3 to 4 bits with scales, tables at 4
kv: i8
quantize:
  - {read: gather, method: mse, candidates: 10, format: nl4}
  - match: '(v_proj|o_proj|out_proj|attn_v|attn_output)'
    method: sinq
    quantizer: mse
    candidates: 10
    format: nl4
  - {method: sinq, quantizer: mse, candidates: 10, format: nl3}
)"},
    {"w4-onnx",
     R"(summary: linear layers at 4 bits, tables at 8, as ONNX has them
quantize:
  - {read: gather, method: mse, format: i8g32.f32}
  - {method: sinq, quantizer: mse, format: i4g32.f32}
)"},
    {"w4-gguf",
     R"(summary: linear layers at 4 bits, tables at 8, as GGUF has them
quantize:
  - {read: gather, method: mse, format: q8_0}
  - {method: sinq, quantizer: mse, share: true, format: q4_0}
)"},
};

llvm::ArrayRef<BuiltinRecipe> llmc::getBuiltinRecipes() { return kRecipes; }
