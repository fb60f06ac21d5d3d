// RUN: llmc-opt --llmc-add-symbol-args %s | FileCheck %s
// What gains an argument, where callers get it from, and what becomes of results.

// CHECK-LABEL: func @one_symbol(
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32> {nn.dims = ["n", 4]}, %[[N:.*]]: index {nn.symbol = "n"}) -> (tensor<?x4xf32> {nn.dims = ["n", 4]})
func.func @one_symbol(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
  %0 = nn.relu %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func @has_it_already(
// CHECK-SAME: %{{.*}}: index {nn.symbol = "n"}, %{{.*}}: tensor<?xf32> {nn.dims = ["n"]}) -> (tensor<?xf32> {nn.dims = ["2*n"]})
func.func @has_it_already(%n: index {nn.symbol = "n"}, %x: tensor<?xf32> {nn.dims = ["n"]}) -> tensor<?xf32> {
  %0 = nn.concat %x, %x {axis = 0 : i64} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func @element_of_input(
// CHECK-SAME: index {nn.symbol = "len[0]"}) -> (tensor<?xf32> {nn.dims = ["len[0]"]})
func.func @element_of_input(%len: tensor<1xi64> {nn.name = "len"}) -> tensor<?xf32> {
  %v = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.full %len, %v : (tensor<1xi64>, tensor<f32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func private @callee(
// CHECK-SAME: tensor<?xf32> {nn.dims = ["m"]}, %{{.*}}: index {nn.symbol = "m"})
func.func private @callee(%x: tensor<?xf32> {nn.dims = ["m"]}) -> tensor<?xf32> {
  %0 = nn.neg %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func @caller(
// CHECK-SAME: %[[X:.*]]: tensor<?xf32> {nn.dims = ["n"]}, %[[N:.*]]: index {nn.symbol = "n"})
// CHECK: %[[TWO:.*]] = arith.constant 2 : index
// CHECK: %[[M:.*]] = arith.muli %[[TWO]], %[[N]]
// CHECK: call @callee(%{{.*}}, %[[M]])
func.func @caller(%x: tensor<?xf32> {nn.dims = ["n"]}) -> (tensor<?xf32> {nn.dims = ["2*n"]}) {
  %0 = nn.concat %x, %x {axis = 0 : i64} : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  %1 = call @callee(%0) : (tensor<?xf32>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}
