// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which products run together, and what goes before them.
// RUN: llmc-opt %s -llmc-join-products | FileCheck %s

!w = !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
!q = !pack.tensor<8x70, #pack.quantized<"u4g32">, #pack.rows<16>>
!h = !pack.tensor<8x70, #pack.quantized<"u4g32.h64">, #pack.rows<16>>
!s = !pack.tensor<8x8, #pack.dense<f32>, #pack.rows<16>>

// Of three products of one input the second is used before the third is made.
// CHECK-LABEL: func.func @dense
func.func @dense(%x: tensor<3x4xf32>, %a: !w, %b: !w, %c: !s) -> (tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) {
  %0 = tensor.empty() : tensor<3x8xf32>
  // CHECK: %[[A:.*]] = kern.linear ins(%{{.*}}, %{{.*}}) outs({{.*}}) -> tensor<3x8xf32>
  %1 = kern.linear ins(%x, %a : tensor<3x4xf32>, !w) outs(%0 : tensor<3x8xf32>) -> tensor<3x8xf32>
  // CHECK-NEXT: %[[B:.*]] = kern.linear {{.*}} {joined}
  // CHECK-NEXT: %[[R:.*]] = nn.relu %[[A]]
  %2 = nn.relu %1 : (tensor<3x8xf32>) -> tensor<3x8xf32>
  %3 = kern.linear ins(%x, %b : tensor<3x4xf32>, !w) outs(%0 : tensor<3x8xf32>) -> tensor<3x8xf32>
  // This one needs the first.
  // CHECK: kern.linear ins(%[[R]],
  // CHECK-NOT: joined
  %4 = kern.linear ins(%2, %c : tensor<3x8xf32>, !s) outs(%0 : tensor<3x8xf32>) -> tensor<3x8xf32>
  return %2, %3, %4 : tensor<3x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>
}

// Codes with other factors are made before both.
// CHECK-LABEL: func.func @quantized
func.func @quantized(%x: tensor<?x70xf32>, %f: tensor<70xf32>, %a: !q, %b: !q, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: kern.quantize ins(%{{.*}} : tensor<?x70xf32>)
  // CHECK: kern.quantize ins(%{{.*}}, %{{.*}} : tensor<?x70xf32>, tensor<70xf32>)
  // CHECK: kern.quantized_linear
  // CHECK-NOT: joined
  // CHECK: kern.quantized_linear {{.*}} {joined}
  // CHECK: nn.relu
  %0 = tensor.empty(%n) : tensor<?x192xi8>
  %1 = kern.quantize ins(%x : tensor<?x70xf32>) outs(%0 : tensor<?x192xi8>) -> tensor<?x192xi8>
  %2 = tensor.empty(%n) : tensor<?x8xf32>
  %3 = kern.quantized_linear ins(%1, %a : tensor<?x192xi8>, !q) outs(%2 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %4 = nn.relu %3 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %5 = tensor.empty(%n) : tensor<?x192xi8>
  %6 = kern.quantize ins(%x, %f : tensor<?x70xf32>, tensor<70xf32>) outs(%5 : tensor<?x192xi8>) -> tensor<?x192xi8>
  %7 = tensor.empty(%n) : tensor<?x8xf32>
  %8 = kern.quantized_linear ins(%6, %b : tensor<?x192xi8>, !q) outs(%7 : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %4, %8 : tensor<?x8xf32>, tensor<?x8xf32>
}

// So is what a transform makes of their inputs.
// CHECK-LABEL: func.func @transformed
func.func @transformed(%x: tensor<?x70xf32>, %f: tensor<70xf32>, %a: !q, %b: !h, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: kern.rotate
  // CHECK: kern.quantize
  // CHECK: kern.quantized_linear
  // CHECK-NOT: joined
  // CHECK: kern.quantized_linear {{.*}} {joined}
  // CHECK: nn.relu
  %0 = tensor.empty(%n) : tensor<?x192xi8>
  %1 = kern.quantize ins(%x : tensor<?x70xf32>) outs(%0 : tensor<?x192xi8>) -> tensor<?x192xi8>
  %2 = tensor.empty(%n) : tensor<?x8xf32>
  %3 = kern.quantized_linear ins(%1, %a : tensor<?x192xi8>, !q) outs(%2 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %4 = nn.relu %3 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %5 = tensor.empty(%n) : tensor<?x70xf32>
  %6 = kern.rotate ins(%x, %f : tensor<?x70xf32>, tensor<70xf32>) outs(%5 : tensor<?x70xf32>) {size = 64} -> tensor<?x70xf32>
  %7 = tensor.empty(%n) : tensor<?x192xi8>
  %8 = kern.quantize ins(%6 : tensor<?x70xf32>) outs(%7 : tensor<?x192xi8>) -> tensor<?x192xi8>
  %9 = tensor.empty(%n) : tensor<?x8xf32>
  %10 = kern.quantized_linear ins(%8, %b : tensor<?x192xi8>, !h) outs(%9 : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %4, %10 : tensor<?x8xf32>, tensor<?x8xf32>
}

// Work on elements stays where it is, and with it the product that needs it.
// CHECK-LABEL: func.func @apart
func.func @apart(%x: tensor<3x4xf32>, %a: !w, %b: !w) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  // CHECK: kern.linear
  // CHECK: nn.relu
  // CHECK: kern.linear
  // CHECK-NOT: joined
  %0 = tensor.empty() : tensor<3x8xf32>
  %1 = kern.linear ins(%x, %a : tensor<3x4xf32>, !w) outs(%0 : tensor<3x8xf32>) -> tensor<3x8xf32>
  %2 = nn.relu %x : (tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = kern.linear ins(%2, %b : tensor<3x4xf32>, !w) outs(%0 : tensor<3x8xf32>) -> tensor<3x8xf32>
  return %1, %3 : tensor<3x8xf32>, tensor<3x8xf32>
}

!r = !pack.tensor<8x70, #pack.quantized<"u4g32.lr4">, #pack.rows<16>>
!left = !pack.tensor<8x4, #pack.dense<bf16>, #pack.rows<16>>
!right = !pack.tensor<4x70, #pack.dense<bf16>, #pack.rows<8>>

// What is added to products follows all of them, in a loop of its own.
// CHECK-LABEL: func.func @added
func.func @added(%x: tensor<?x70xf32>, %q: tensor<?x192xi8>, %a: !r, %b: !r, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %[[A:.*]] = kern.quantized_linear ins(%{{.*}}, %{{.*}} :
  // CHECK-NOT: joined
  // CHECK: %[[C:.*]] = kern.linear {{.*}} {joined} -> tensor<?x4xf32>
  // CHECK-NEXT: %[[B:.*]] = kern.quantized_linear {{.*}} {joined}
  // CHECK-NEXT: %[[D:.*]] = kern.linear {{.*}} {joined} -> tensor<?x4xf32>
  // CHECK: kern.linear ins(%[[C]], {{.*}} outs(%[[A]] : tensor<?x8xf32>) {adds} ->
  // CHECK-NEXT: kern.linear ins(%[[D]], {{.*}} outs(%[[B]] : tensor<?x8xf32>) {adds, joined} ->
  // CHECK: nn.relu
  %0 = tensor.empty(%n) : tensor<?x8xf32>
  %1 = kern.quantized_linear ins(%q, %a : tensor<?x192xi8>, !r) outs(%0 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %2 = tensor.empty(%n) : tensor<?x4xf32>
  %3 = kern.side %a : (!r) -> !right
  %4 = kern.linear ins(%x, %3 : tensor<?x70xf32>, !right) outs(%2 : tensor<?x4xf32>) -> tensor<?x4xf32>
  %5 = kern.side %a {left} : (!r) -> !left
  %6 = kern.linear ins(%4, %5 : tensor<?x4xf32>, !left) outs(%1 : tensor<?x8xf32>) {adds} -> tensor<?x8xf32>
  %7 = nn.relu %6 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %8 = tensor.empty(%n) : tensor<?x8xf32>
  %9 = kern.quantized_linear ins(%q, %b : tensor<?x192xi8>, !r) outs(%8 : tensor<?x8xf32>) -> tensor<?x8xf32>
  %10 = tensor.empty(%n) : tensor<?x4xf32>
  %11 = kern.side %b : (!r) -> !right
  %12 = kern.linear ins(%x, %11 : tensor<?x70xf32>, !right) outs(%10 : tensor<?x4xf32>) -> tensor<?x4xf32>
  %13 = kern.side %b {left} : (!r) -> !left
  %14 = kern.linear ins(%12, %13 : tensor<?x4xf32>, !left) outs(%9 : tensor<?x8xf32>) {adds} -> tensor<?x8xf32>
  return %7, %14 : tensor<?x8xf32>, tensor<?x8xf32>
}
