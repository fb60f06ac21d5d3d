// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// RUN: llmc-opt %s --llmc-state-conditions --split-input-file | FileCheck %s

// Two names may be one extent; a run tells.
// CHECK-LABEL: func.func @join
// CHECK-SAME: llmc.conditions = {{\[}}["n", "m", "expected n == m"]]
func.func @join(%x: tensor<?xf32> {nn.dims = ["n"]}, %y: tensor<?xf32> {nn.dims = ["m"]}) -> tensor<?xf32> {
  %0 = nn.add %x, %y : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// -----

// What is proved is no condition.
// CHECK-LABEL: func.func @proved
// CHECK-NOT: llmc.conditions
func.func @proved(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x2x2xf32> {
  %s = arith.constant dense<[0, 2, 2]> : tensor<3xi64>
  %0 = nn.reshape %x, %s : (tensor<?x4xf32>, tensor<3xi64>) -> tensor<?x2x2xf32>
  return %0 : tensor<?x2x2xf32>
}

// -----

// An entry of a shape that only a run tells may be 0 (as it was) or -1 (what is
// left); the number of elements must be that of the input.
// CHECK-LABEL: func.func @shape
// CHECK-SAME: ["12", "select((shape[0] + 1 == 0 and not(shape[0] == 0)), floordiv(12, select(shape[1] == 0, 4, shape[1])), select(shape[0] == 0, 3, shape[0]))*select(
// CHECK-SAME: "expected a shape of 12 elements"]
// CHECK-SAME: "expected an extent of at least 0 but got
func.func @shape(%x: tensor<3x4xf32>, %s: tensor<2xi64> {nn.name = "shape"}) -> tensor<?x?xf32> {
  %0 = nn.reshape %x, %s : (tensor<3x4xf32>, tensor<2xi64>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// -----

// The target of an expansion may say one for an extent that stays.
// CHECK-LABEL: func.func @expand
// CHECK-SAME: llmc.conditions = {{\[}}["-s[0]*s[0] + 4*s[0] - 3", "0", "expected 3 == s[0] or 1"]]
func.func @expand(%x: tensor<3xf32>, %s: tensor<1xi64> {nn.name = "s"}) -> tensor<3xf32> {
  %0 = nn.expand %x, %s : (tensor<3xf32>, tensor<1xi64>) -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// Repeats may be anything but must not leave less than nothing, nor more than
// any memory holds.
// CHECK-LABEL: func.func @tile
// CHECK-SAME: llmc.conditions = {{\[}}["min(0, 3*r[0])", "0", "expected an extent of at least 0 but got 3*r[0]"],
// CHECK-SAME: ["max(3*r[0], 2147483648)", "2147483648", "expected at most 2^31 elements but got 3*r[0]"]]
func.func @tile(%x: tensor<3xf32>, %r: tensor<1xi64> {nn.name = "r"}) -> tensor<?xf32> {
  %0 = nn.tile %x, %r : (tensor<3xf32>, tensor<1xi64>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
