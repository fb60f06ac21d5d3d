// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A language model of one layer, as it is once its layers are recovered.
nn.weight @lm_head.weight : tensor<96x48xf32> from #nn.key<"lm_head" : tensor<96x48xf32>>
nn.weight @cos : tensor<64x4xf32> from #nn.key<"cos" : tensor<64x4xf32>>
nn.weight @sin : tensor<64x4xf32> from #nn.key<"sin" : tensor<64x4xf32>>
nn.weight @layers.0.norm.weight : tensor<48xf32> from #nn.key<"norm" : tensor<48xf32>>
nn.weight @layers.0.q_proj.weight : tensor<48x48xf32> from #nn.rows<#nn.transpose<#nn.key<"qkv" : tensor<48x80xf32>>, [1, 0]>, 0, 48>
nn.weight @layers.0.k_proj.weight : tensor<16x48xf32> from #nn.rows<#nn.transpose<#nn.key<"qkv" : tensor<48x80xf32>>, [1, 0]>, 48, 64>
nn.weight @layers.0.v_proj.weight : tensor<16x48xf32> from #nn.rows<#nn.transpose<#nn.key<"qkv" : tensor<48x80xf32>>, [1, 0]>, 64, 80>
nn.weight @layers.0.o_proj.weight : tensor<48x48xf32> from #nn.key<"o" : tensor<48x48xf32>>
nn.weight @layers.0.gate_proj.weight : tensor<100x48xf32> from #nn.key<"gate" : tensor<100x48xf32>>
nn.weight @layers.0.up_proj.weight : tensor<100x48xf32> from #nn.key<"up" : tensor<100x48xf32>>
nn.weight @layers.0.down_proj.weight : tensor<48x100xf32> from #nn.key<"down" : tensor<48x100xf32>>

func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"], nn.name = "ids"}, %seq: index {nn.symbol = "seq"}, %past: index {nn.symbol = "past"}, %n: index {nn.symbol = "n_logits"}, %context: index {nn.symbol = "context"}, %key: tensor<2x?x8xf32> {nn.dims = [2, "context", 8], nn.name = "layers.0.key", nn.state = 1 : i64}, %value: tensor<2x?x8xf32> {nn.dims = [2, "context", 8], nn.name = "layers.0.value", nn.state = 2 : i64}) -> (tensor<?x96xf32> {nn.dims = ["n_logits", 96], nn.name = "logits"}, tensor<2x?x8xf32> {nn.dims = [2, "context", 8], nn.name = "layers.0.key"}, tensor<2x?x8xf32> {nn.dims = [2, "context", 8], nn.name = "layers.0.value"}) {
  %0 = nn.get @lm_head.weight : tensor<96x48xf32>
  %1 = nn.gather %0, %ids {axis = 0 : i64} : (tensor<96x48xf32>, tensor<?xi64>) -> tensor<?x48xf32>
  %2 = nn.get @layers.0.norm.weight : tensor<48xf32>
  %3 = nn.rms_norm %1, %2 {epsilon = 1.0E-5 : f64} : (tensor<?x48xf32>, tensor<48xf32>) -> tensor<?x48xf32>
  %4 = nn.get @layers.0.q_proj.weight : tensor<48x48xf32>
  %5 = nn.linear %3, %4 : (tensor<?x48xf32>, tensor<48x48xf32>) -> tensor<?x48xf32>
  %heads = arith.constant dense<[-1, 6, 8]> : tensor<3xi64>
  %6 = nn.reshape %5, %heads : (tensor<?x48xf32>, tensor<3xi64>) -> tensor<?x6x8xf32>
  %7 = nn.get @layers.0.k_proj.weight : tensor<16x48xf32>
  %8 = nn.linear %3, %7 : (tensor<?x48xf32>, tensor<16x48xf32>) -> tensor<?x16xf32>
  %shared = arith.constant dense<[-1, 2, 8]> : tensor<3xi64>
  %9 = nn.reshape %8, %shared : (tensor<?x16xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %10 = nn.get @layers.0.v_proj.weight : tensor<16x48xf32>
  %11 = nn.linear %3, %10 : (tensor<?x48xf32>, tensor<16x48xf32>) -> tensor<?x16xf32>
  %12 = nn.reshape %11, %shared : (tensor<?x16xf32>, tensor<3xi64>) -> tensor<?x2x8xf32>
  %13 = nn.get @cos : tensor<64x4xf32>
  %14 = nn.rows %13[%past, %seq] : (tensor<64x4xf32>, index, index) -> tensor<?x4xf32>
  %15 = nn.get @sin : tensor<64x4xf32>
  %16 = nn.rows %15[%past, %seq] : (tensor<64x4xf32>, index, index) -> tensor<?x4xf32>
  %17 = nn.rotary %6, %14, %16 : (tensor<?x6x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x6x8xf32>
  %18 = nn.rotary %9, %14, %16 : (tensor<?x2x8xf32>, tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x2x8xf32>
  %19 = nn.append %key, %18 at %past : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %20 = nn.append %value, %12 at %past : (tensor<2x?x8xf32>, tensor<?x2x8xf32>, index) -> tensor<2x?x8xf32>
  %21 = nn.cached_attention %17, %19, %20 at %past {scale = 0.35 : f64} : (tensor<?x6x8xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>, index) -> tensor<?x6x8xf32>
  %rows = arith.constant dense<[-1, 48]> : tensor<2xi64>
  %22 = nn.reshape %21, %rows : (tensor<?x6x8xf32>, tensor<2xi64>) -> tensor<?x48xf32>
  %23 = nn.get @layers.0.o_proj.weight : tensor<48x48xf32>
  %24 = nn.linear %22, %23 : (tensor<?x48xf32>, tensor<48x48xf32>) -> tensor<?x48xf32>
  %25 = nn.add %1, %24 : (tensor<?x48xf32>, tensor<?x48xf32>) -> tensor<?x48xf32>
  %26 = nn.rms_norm %25, %2 {epsilon = 1.0E-5 : f64} : (tensor<?x48xf32>, tensor<48xf32>) -> tensor<?x48xf32>
  %27 = nn.get @layers.0.gate_proj.weight : tensor<100x48xf32>
  %28 = nn.linear %26, %27 : (tensor<?x48xf32>, tensor<100x48xf32>) -> tensor<?x100xf32>
  %29 = nn.get @layers.0.up_proj.weight : tensor<100x48xf32>
  %30 = nn.linear %26, %29 : (tensor<?x48xf32>, tensor<100x48xf32>) -> tensor<?x100xf32>
  %31 = nn.silu %28 : (tensor<?x100xf32>) -> tensor<?x100xf32>
  %32 = nn.mul %31, %30 : (tensor<?x100xf32>, tensor<?x100xf32>) -> tensor<?x100xf32>
  %33 = nn.get @layers.0.down_proj.weight : tensor<48x100xf32>
  %34 = nn.linear %32, %33 : (tensor<?x100xf32>, tensor<48x100xf32>) -> tensor<?x48xf32>
  %35 = nn.add %25, %34 : (tensor<?x48xf32>, tensor<?x48xf32>) -> tensor<?x48xf32>
  %36 = arith.subi %seq, %n : index
  %37 = nn.rows %35[%36, %n] : (tensor<?x48xf32>, index, index) -> tensor<?x48xf32>
  %38 = nn.linear %37, %0 : (tensor<?x48xf32>, tensor<96x48xf32>) -> tensor<?x96xf32>
  return %38, %19, %20 : tensor<?x96xf32>, tensor<2x?x8xf32>, tensor<2x?x8xf32>
}
