// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which matrices are evened out together, and where their scale goes. Numbers
// are checked by test/Scripts/test_scale_columns.py.
// RUN: llmc-opt %s -split-input-file -llmc-scale-columns | FileCheck %s
// RUN: llmc-opt %s -split-input-file -llmc-scale-columns=fold=false | FileCheck %s --check-prefix=APART

// Two matrices share the input; its norm takes the scale, or nothing does.
// APART: nn.weight @gamma : tensor<8xf32> from #nn.dense<
// APART: nn.weight @q.columns : tensor<8xf32>
// APART: %[[N:.*]] = nn.rms_norm
// APART: %[[T:.*]] = nn.get @q.columns
// APART: %[[X:.*]] = nn.mul %[[N]], %[[T]]
// APART: nn.linear %[[X]]
// APART: nn.linear %[[X]]
// CHECK: nn.weight @gamma : tensor<8xf32> from #nn.scale<#nn.dense<{{.*}}>, #nn.dense<{{.*}}>, 0, false>
nn.weight @gamma : tensor<8xf32> from #nn.dense<dense<1.0> : tensor<8xf32>>
// CHECK: nn.weight @q : tensor<4x8xf32> from #nn.scale<#nn.dense<{{.*}}>, #nn.dense<{{.*}}>, 1, true> {pack.method
nn.weight @q : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16", {share = "true"}>}
// CHECK: nn.weight @k : tensor<4x8xf32> from #nn.scale<
nn.weight @k : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16", {share = "true"}>}
// CHECK-NOT: .columns
// CHECK-LABEL: func.func @norm
func.func @norm(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %g = nn.get @gamma : tensor<8xf32>
  // CHECK: %[[N:.*]] = nn.rms_norm
  %n = nn.rms_norm %x, %g {epsilon = 1.0E-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %q = nn.get @q : tensor<4x8xf32>
  %k = nn.get @k : tensor<4x8xf32>
  // CHECK: nn.linear %[[N]]
  %0 = nn.linear %n, %q : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  // CHECK: nn.linear %[[N]]
  %1 = nn.linear %n, %k : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----
// The norm is read by something else, too: the scale stays a factor.
// CHECK: nn.weight @gamma : tensor<8xf32> from #nn.dense<
nn.weight @gamma : tensor<8xf32> from #nn.dense<dense<1.0> : tensor<8xf32>>
// CHECK: nn.weight @q.columns : tensor<8xf32> from #nn.dense<
// CHECK: nn.weight @q : tensor<4x8xf32> from #nn.scale<
nn.weight @q : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16", {share = "true"}>}
// CHECK-LABEL: func.func @other_reader
func.func @other_reader(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x8xf32>) {
  %g = nn.get @gamma : tensor<8xf32>
  // CHECK: %[[N:.*]] = nn.rms_norm
  %n = nn.rms_norm %x, %g {epsilon = 1.0E-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK: %[[T:.*]] = nn.get @q.columns
  // CHECK: %[[M:.*]] = nn.mul %[[N]], %[[T]]
  %q = nn.get @q : tensor<4x8xf32>
  // CHECK: nn.linear %[[M]]
  %0 = nn.linear %n, %q : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  // CHECK: nn.neg %[[N]]
  %1 = nn.neg %n : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x8xf32>
}

// -----
// A gated product: the linear side takes the scale in its rows and its bias.
nn.weight @gate : tensor<8x4xf32> from #nn.dense<dense<0.5> : tensor<8x4xf32>>
// CHECK: nn.weight @up : tensor<8x4xf32> from #nn.scale<#nn.dense<{{.*}}>, #nn.dense<{{.*}}>, 0, false>
nn.weight @up : tensor<8x4xf32> from #nn.dense<dense<0.25> : tensor<8x4xf32>>
// CHECK: nn.weight @bias : tensor<8xf32> from #nn.scale<#nn.dense<{{.*}}>, #nn.dense<{{.*}}>, 0, false>
nn.weight @bias : tensor<8xf32> from #nn.dense<dense<1.0> : tensor<8xf32>>
// CHECK: nn.weight @down : tensor<4x8xf32> from #nn.scale<
nn.weight @down : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16", {share = "true"}>}
// CHECK-LABEL: func.func @gated
func.func @gated(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %wg = nn.get @gate : tensor<8x4xf32>
  %wu = nn.get @up : tensor<8x4xf32>
  %b = nn.get @bias : tensor<8xf32>
  %wd = nn.get @down : tensor<4x8xf32>
  %g = nn.linear %x, %wg : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  %u = nn.linear %x, %wu, %b : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %s = nn.silu %g : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: %[[P:.*]] = nn.mul
  %p = nn.mul %s, %u : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK-NEXT: nn.linear %[[P]]
  %0 = nn.linear %p, %wd : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----
// A matrix that a gather reads as well, and one of another method, stay.
// CHECK: nn.weight @tied : tensor<4x8xf32> from #nn.dense<
nn.weight @tied : tensor<4x8xf32> from #nn.dense<dense<1.0> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
// CHECK: nn.weight @other : tensor<4x8xf32> from #nn.dense<
nn.weight @other : tensor<4x8xf32> from #nn.dense<dense<1.0> : tensor<4x8xf32>> {pack.method = #pack.method<"rtn", "u4g16">}
// CHECK-LABEL: func.func @stays
func.func @stays(%x: tensor<?x8xf32>, %i: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x8xf32>) {
  %t = nn.get @tied : tensor<4x8xf32>
  %o = nn.get @other : tensor<4x8xf32>
  // CHECK-NOT: nn.mul
  %0 = nn.linear %x, %t : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %1 = nn.linear %x, %o : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %2 = nn.gather %t, %i {axis = 0 : i64} : (tensor<4x8xf32>, tensor<?xi64>) -> tensor<?x8xf32>
  return %0, %1, %2 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x8xf32>
}

// -----
// Attention over a cache: the values and their bias take the scale, shared by the
// two query heads of a head of values.
// CHECK: nn.weight @v : tensor<4x4xf32> from #nn.scale<#nn.dense<{{.*}}>, #nn.dense<dense<[{{[^],]*, [^],]*, [^],]*, [^],]*}}]> : tensor<4xf32>>, 0, false>
nn.weight @v : tensor<4x4xf32> from #nn.dense<dense<1.0> : tensor<4x4xf32>>
// CHECK: nn.weight @b : tensor<4xf32> from #nn.scale<
nn.weight @b : tensor<4xf32> from #nn.dense<dense<1.0> : tensor<4xf32>>
// CHECK: nn.weight @o : tensor<4x8xf32> from #nn.scale<
nn.weight @o : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
// CHECK-NOT: .columns
// CHECK-LABEL: func.func @attention
func.func @attention(%x: tensor<3x4xf32>, %q: tensor<3x4x2xf32>, %k: tensor<2x?x2xf32>, %past: tensor<2x?x2xf32> {nn.state = 1 : i64}, %p: index) -> (tensor<3x4xf32>, tensor<2x?x2xf32>) {
  %parts = arith.constant dense<[3, 2, 2]> : tensor<3xi64>
  %whole = arith.constant dense<[3, 8]> : tensor<2xi64>
  %wv = nn.get @v : tensor<4x4xf32>
  %b = nn.get @b : tensor<4xf32>
  %wo = nn.get @o : tensor<4x8xf32>
  %v = nn.linear %x, %wv, %b : (tensor<3x4xf32>, tensor<4x4xf32>, tensor<4xf32>) -> tensor<3x4xf32>
  %h = nn.reshape %v, %parts : (tensor<3x4xf32>, tensor<3xi64>) -> tensor<3x2x2xf32>
  %c = nn.append %past, %h at %p : (tensor<2x?x2xf32>, tensor<3x2x2xf32>, index) -> tensor<2x?x2xf32>
  %a = nn.cached_attention %q, %k, %c at %p {scale = 0.5 : f64} : (tensor<3x4x2xf32>, tensor<2x?x2xf32>, tensor<2x?x2xf32>, index) -> tensor<3x4x2xf32>
  // CHECK: %[[M:.*]] = nn.reshape {{.*}} -> tensor<3x8xf32>
  %m = nn.reshape %a, %whole : (tensor<3x4x2xf32>, tensor<2xi64>) -> tensor<3x8xf32>
  // CHECK-NOT: nn.mul
  // CHECK: nn.linear %[[M]]
  %0 = nn.linear %m, %wo : (tensor<3x8xf32>, tensor<4x8xf32>) -> tensor<3x4xf32>
  return %0, %c : tensor<3x4xf32>, tensor<2x?x2xf32>
}

// -----
// The up side is kept as it comes compressed: the scale stays a factor.
// CHECK: nn.weight @up : tensor<8x4xf32> from #nn.dequant<
nn.weight @up : tensor<8x4xf32> from #nn.dequant<#nn.dense<dense<3> : tensor<8x4xi8>>, #nn.dense<dense<0.5> : tensor<8x1xf32>>, 0, [1, 4]> {pack.method = #pack.method<"keep", "i8g16.f32">}
// CHECK: nn.weight @down.columns
nn.weight @down : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
// CHECK-LABEL: func.func @kept
func.func @kept(%x: tensor<?x4xf32>, %s: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %wu = nn.get @up : tensor<8x4xf32>
  %wd = nn.get @down : tensor<4x8xf32>
  %u = nn.linear %x, %wu : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  // CHECK: %[[P:.*]] = nn.mul
  %p = nn.mul %s, %u : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: nn.mul %[[P]]
  %0 = nn.linear %p, %wd : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// -----
// Without `share` each matrix has a scale of its own.
// CHECK: nn.weight @gate.columns : tensor<8xf32> from #nn.dense<
// CHECK: nn.weight @up.columns : tensor<8xf32> from #nn.dense<
nn.weight @gate : tensor<4x8xf32> from #nn.dense<dense<[[1.,2.,3.,4.,5.,6.,7.,80.],[2.,1.,0.,4.,5.,-6.,7.,-60.],[1.,-2.,3.,4.,-5.,6.,7.,40.],[1.,1.,1.,4.,0.,6.,7.,-80.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
nn.weight @up : tensor<4x8xf32> from #nn.dense<dense<[[80.,2.,3.,4.,5.,6.,7.,1.],[-60.,1.,0.,4.,5.,-6.,7.,2.],[40.,-2.,3.,4.,-5.,6.,7.,1.],[-80.,1.,1.,4.,0.,6.,7.,1.]]> : tensor<4x8xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
// CHECK-LABEL: func.func @own
func.func @own(%x: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %g = nn.get @gate : tensor<4x8xf32>
  %u = nn.get @up : tensor<4x8xf32>
  // CHECK: %[[GATE:.*]] = nn.mul %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<8xf32>)
  // CHECK: %[[UP:.*]] = nn.mul %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<8xf32>)
  // CHECK: nn.linear
  %0 = nn.linear %x, %g : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  // CHECK: nn.linear
  %1 = nn.linear %x, %u : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<?x4xf32>
}
