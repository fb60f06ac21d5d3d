// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What exporters write: small operators, extents that are not known, values that
// are used twice or never.
nn.weight @w : tensor<8x6xf32> from #nn.key<"w" : tensor<8x6xf32>>
nn.weight @b : tensor<6xf32> from #nn.key<"b" : tensor<6xf32>>

func.func @main(%x: tensor<?x?x8xf32> {nn.dims = ["batch", "seq", 8], nn.name = "x"}, %ids: tensor<?xi64> {nn.dims = ["n"], nn.name = "ids"}) -> (tensor<?x?x6xf32> {nn.name = "y"}, tensor<?x6xf32> {nn.name = "rows"}) {
  %w = nn.get @w : tensor<8x6xf32>
  %b = nn.get @b : tensor<6xf32>
  %0 = nn.matmul %x, %w : (tensor<?x?x8xf32>, tensor<8x6xf32>) -> tensor<?x?x6xf32>
  %1 = nn.add %0, %b : (tensor<?x?x6xf32>, tensor<6xf32>) -> tensor<?x?x6xf32>
  %2 = nn.relu %1 : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %3 = nn.relu %2 : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %4 = nn.gelu %3 : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %5 = nn.sigmoid %4 : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %6 = nn.mul %4, %5 : (tensor<?x?x6xf32>, tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %7 = nn.softmax %6 {axis = 2 : i64} : (tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %8 = nn.exp %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %9 = nn.gather %w, %ids {axis = 0 : i64} : (tensor<8x6xf32>, tensor<?xi64>) -> tensor<?x6xf32>
  return %7, %9 : tensor<?x?x6xf32>, tensor<?x6xf32>
}

// A scalar, and a function that says nothing of its extents.
func.func @scalar(%x: tensor<f32>) -> tensor<f32> {
  %0 = nn.relu %x : (tensor<f32>) -> tensor<f32>
  return %0 : tensor<f32>
}
