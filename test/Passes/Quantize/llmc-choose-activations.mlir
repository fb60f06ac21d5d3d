// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// i16 where a recipe asks for measurement and i8 is off by more than the bound.
// RUN: llmc-opt %s -llmc-choose-activations | FileCheck %s
// RUN: llmc-opt %s -llmc-choose-activations=bound=0.003 | FileCheck %s --check-prefixes=LOW
// RUN: llmc-opt %s -llmc-choose-activations=bound=1 | FileCheck %s --check-prefixes=HIGH

// CHECK: nn.weight @rough {{.*}} {pack.activations = i16, pack.measured, pack.rounding = 1.200000e-02 : f64}
// HIGH-NOT: pack.activations
nn.weight @rough : tensor<8x32xf32> from #nn.key<"a" : tensor<8x32xf32>> {pack.measured, pack.rounding = 0.012 : f64}
// CHECK: nn.weight @fine {{.*}} {pack.measured, pack.rounding = 4.000000e-03 : f64}
// LOW: nn.weight @fine {{.*}} {pack.activations = i16, pack.measured, pack.rounding = 4.000000e-03 : f64}
nn.weight @fine : tensor<8x32xf32> from #nn.key<"b" : tensor<8x32xf32>> {pack.measured, pack.rounding = 0.004 : f64}
// A bound is the largest error that is accepted.
// LOW: nn.weight @equal {{.*}} {pack.measured, pack.rounding = 3.000000e-03 : f64}
nn.weight @equal : tensor<8x32xf32> from #nn.key<"c" : tensor<8x32xf32>> {pack.measured, pack.rounding = 0.003 : f64}
// The rule names i8.
// CHECK: nn.weight @told {{.*}} {pack.rounding = 1.200000e-02 : f64}
nn.weight @told : tensor<8x32xf32> from #nn.key<"d" : tensor<8x32xf32>> {pack.rounding = 0.012 : f64}
// No calibration reached it.
// CHECK: nn.weight @unseen {{.*}} {pack.measured}
nn.weight @unseen : tensor<8x32xf32> from #nn.key<"e" : tensor<8x32xf32>> {pack.measured}
