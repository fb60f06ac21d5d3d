// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-fuse-rotary | FileCheck %s

// CHECK-LABEL: func.func @halves
func.func @halves(%x: tensor<?x3x4xf32> {nn.dims = ["seq", 3, 4]}, %c: tensor<?x1x2xf32> {nn.dims = ["seq", 1, 2]}, %s: tensor<?x1x2xf32> {nn.dims = ["seq", 1, 2]}) -> tensor<?x3x4xf32> {
  // CHECK: nn.rotary %arg0, %{{.*}}, %{{.*}} : (tensor<?x3x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x3x4xf32>
  // CHECK-NEXT: return
  %cos = nn.concat %c, %c {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %sin = nn.concat %s, %s {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %zero = arith.constant dense<0> : tensor<1xi64>
  %two = arith.constant dense<2> : tensor<1xi64>
  %four = arith.constant dense<4> : tensor<1xi64>
  %a = nn.slice %x [%zero, %two] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %b = nn.slice %x [%two, %four] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %n = nn.neg %b : (tensor<?x3x2xf32>) -> tensor<?x3x2xf32>
  %r = nn.concat %n, %a {axis = 2 : i64} : (tensor<?x3x2xf32>, tensor<?x3x2xf32>) -> tensor<?x3x4xf32>
  %1 = nn.mul %x, %cos : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %2 = nn.mul %r, %sin : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %y = nn.add %1, %2 : (tensor<?x3x4xf32>, tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
  return %y : tensor<?x3x4xf32>
}

// Neither half is negated: no rotation.
// CHECK-LABEL: func.func @no_sign
func.func @no_sign(%x: tensor<?x3x4xf32> {nn.dims = ["seq", 3, 4]}, %c: tensor<?x1x2xf32> {nn.dims = ["seq", 1, 2]}, %s: tensor<?x1x2xf32> {nn.dims = ["seq", 1, 2]}) -> tensor<?x3x4xf32> {
  // CHECK-NOT: nn.rotary
  %cos = nn.concat %c, %c {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %sin = nn.concat %s, %s {axis = 2 : i64} : (tensor<?x1x2xf32>, tensor<?x1x2xf32>) -> tensor<?x1x4xf32>
  %zero = arith.constant dense<0> : tensor<1xi64>
  %two = arith.constant dense<2> : tensor<1xi64>
  %four = arith.constant dense<4> : tensor<1xi64>
  %a = nn.slice %x [%zero, %two] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %b = nn.slice %x [%two, %four] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %r = nn.concat %b, %a {axis = 2 : i64} : (tensor<?x3x2xf32>, tensor<?x3x2xf32>) -> tensor<?x3x4xf32>
  %1 = nn.mul %x, %cos : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %2 = nn.mul %r, %sin : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %y = nn.add %1, %2 : (tensor<?x3x4xf32>, tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
  return %y : tensor<?x3x4xf32>
}

// Tables whose halves differ.
// CHECK-LABEL: func.func @uneven_tables
func.func @uneven_tables(%x: tensor<?x3x4xf32> {nn.dims = ["seq", 3, 4]}, %cos: tensor<?x1x4xf32> {nn.dims = ["seq", 1, 4]}, %sin: tensor<?x1x4xf32> {nn.dims = ["seq", 1, 4]}) -> tensor<?x3x4xf32> {
  // CHECK-NOT: nn.rotary
  %zero = arith.constant dense<0> : tensor<1xi64>
  %two = arith.constant dense<2> : tensor<1xi64>
  %four = arith.constant dense<4> : tensor<1xi64>
  %a = nn.slice %x [%zero, %two] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %b = nn.slice %x [%two, %four] {axes = array<i64: 2>, steps = array<i64: 1>} : (tensor<?x3x4xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x3x2xf32>
  %n = nn.neg %b : (tensor<?x3x2xf32>) -> tensor<?x3x2xf32>
  %r = nn.concat %n, %a {axis = 2 : i64} : (tensor<?x3x2xf32>, tensor<?x3x2xf32>) -> tensor<?x3x4xf32>
  %1 = nn.mul %x, %cos : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %2 = nn.mul %r, %sin : (tensor<?x3x4xf32>, tensor<?x1x4xf32>) -> tensor<?x3x4xf32>
  %y = nn.add %1, %2 : (tensor<?x3x4xf32>, tensor<?x3x4xf32>) -> tensor<?x3x4xf32>
  return %y : tensor<?x3x4xf32>
}
