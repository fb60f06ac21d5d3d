// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which weights are packed, and into what type. Bytes are not covered here.
// RUN: llmc-opt %s -llmc-pack-weights=rows=16 | FileCheck %s
// RUN: llmc-opt %s -llmc-pack-weights="format=bf16 cpu=x86-64-v4" | FileCheck %s --check-prefix=V4
// RUN: not llmc-opt %s -llmc-pack-weights=format=f8 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not llmc-opt %s -llmc-pack-weights=rows=10 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not llmc-opt %s -llmc-pack-weights="cpu=zx81 triple=x86_64-linux-gnu" 2>&1 | FileCheck %s --check-prefix=CPU
// FORMAT: option 'format': expected f32, bf16 or f16 but got f8
// ROWS: option 'rows': expected a power of two of at most 256 rows per block but got 10
// CPU: unknown processor 'zx81'

// CHECK: nn.weight @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>> from #nn.key<"w" : tensor<8x4xf32>>
// V4: nn.weight @w : !pack.tensor<8x4, #pack.dense<bf16>, #pack.rows<32>>
nn.weight @w : tensor<8x4xf32> from #nn.key<"w" : tensor<8x4xf32>>
// CHECK: nn.weight @embed : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
nn.weight @embed : tensor<8x4xf32> from #nn.key<"e" : tensor<8x4xf32>>
// CHECK: nn.weight @both : tensor<8x4xf32>
// CHECK: nn.weight @both.packed : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>> from #nn.key<"b" : tensor<8x4xf32>>
nn.weight @both : tensor<8x4xf32> from #nn.key<"b" : tensor<8x4xf32>>
// CHECK: nn.weight @rows : tensor<8x4xf32>
// CHECK-NOT: @rows.packed
// V4: nn.weight @rows.packed : !pack.tensor<8x4, #pack.dense<bf16>
nn.weight @rows : tensor<8x4xf32> from #nn.key<"o" : tensor<8x4xf32>>
// CHECK: nn.weight @input : tensor<2x4xf32>
nn.weight @input : tensor<2x4xf32> from #nn.key<"i" : tensor<2x4xf32>>
// CHECK: nn.weight @integers : tensor<8x4xi64>
nn.weight @integers : tensor<8x4xi64> from #nn.key<"n" : tensor<8x4xi64>>
// CHECK: nn.weight @quantized : !pack.tensor<8x64, #pack.quantized<"u4g64.f16">, #pack.rows<16>> from #nn.key<"q" : tensor<8x64xf32>> {pack.method = #pack.method<"rtn", "u4g64.f16">}
nn.weight @quantized : tensor<8x64xf32> from #nn.key<"q" : tensor<8x64xf32>> {pack.method = #pack.method<"rtn", "u4g64.f16">}

// CHECK: nn.weight @wide : !pack.tensor
nn.weight @wide : tensor<8x64xf32> from #nn.key<"v" : tensor<8x64xf32>> {pack.activations = i16, pack.method = #pack.method<"rtn", "u4g64.f16">}

// A method's format of numbers has the blocks of other numbers.
// CHECK: nn.weight @rounded : !pack.tensor<8x64, #pack.dense<f16>, #pack.rows<16>> from #nn.key<"r" : tensor<8x64xf32>> {pack.method = #pack.method<"rtn", "f16">}
// V4: nn.weight @rounded : !pack.tensor<8x64, #pack.dense<f16>, #pack.rows<32>>
nn.weight @rounded : tensor<8x64xf32> from #nn.key<"r" : tensor<8x64xf32>> {pack.method = #pack.method<"rtn", "f16">}

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x4xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[W:.*]] = nn.get @w : !pack.tensor
  %w = nn.get @w : tensor<8x4xf32>
  // CHECK: pack.linear %{{.*}}, %[[W]], %{{.*}} : (tensor<?x4xf32>, !pack.tensor<{{.*}}>, tensor<8xf32>) -> tensor<?x8xf32>
  %0 = nn.linear %x, %w, %b : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @tied
func.func @tied(%i: tensor<?xi64>) -> tensor<?x8xf32> {
  // CHECK: %[[W:.*]] = nn.get @embed
  %w = nn.get @embed : tensor<8x4xf32>
  // CHECK: pack.gather %[[W]]
  %0 = nn.gather %w, %i {axis = 0 : i64} : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  // CHECK: pack.linear %{{.*}}, %[[W]]
  %1 = nn.linear %0, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @used_otherwise
func.func @used_otherwise(%x: tensor<?x4xf32>) -> (tensor<?x8xf32>, tensor<8x4xf32>) {
  // CHECK-DAG: %[[W:.*]] = nn.get @both : tensor<8x4xf32>
  // CHECK-DAG: %[[P:.*]] = nn.get @both.packed
  %w = nn.get @both : tensor<8x4xf32>
  // CHECK: pack.linear %{{.*}}, %[[P]]
  %0 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  // CHECK: nn.neg %[[W]]
  %1 = nn.neg %w : (tensor<8x4xf32>) -> tensor<8x4xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<8x4xf32>
}

// Rows of f32 are taken from what is there as it is anyway.
// CHECK-LABEL: func.func @gathered
// V4-LABEL: func.func @gathered
func.func @gathered(%i: tensor<?xi64>) -> (tensor<?x4xf32>, tensor<8x4xf32>) {
  // CHECK: %[[W:.*]] = nn.get @rows : tensor<8x4xf32>
  // CHECK: nn.gather %[[W]],
  // V4: pack.gather
  %w = nn.get @rows : tensor<8x4xf32>
  %0 = nn.gather %w, %i {axis = 0 : i64} : (tensor<8x4xf32>, tensor<?xi64>) -> tensor<?x4xf32>
  %1 = nn.neg %w : (tensor<8x4xf32>) -> tensor<8x4xf32>
  return %0, %1 : tensor<?x4xf32>, tensor<8x4xf32>
}

// CHECK-LABEL: func.func @stays
func.func @stays(%w: tensor<8x4xf32>, %i: tensor<?xi64>) -> (tensor<2x8xf32>, tensor<8x?xi64>) {
  // CHECK: nn.linear
  %x = nn.get @input : tensor<2x4xf32>
  %0 = nn.linear %x, %w : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
  // CHECK: nn.gather
  %n = nn.get @integers : tensor<8x4xi64>
  %1 = nn.gather %n, %i {axis = 1 : i64} : (tensor<8x4xi64>, tensor<?xi64>) -> tensor<8x?xi64>
  return %0, %1 : tensor<2x8xf32>, tensor<8x?xi64>
}

// CHECK-LABEL: func.func @method
func.func @method(%x: tensor<?x64xf32>) -> tensor<?x8xf32> {
  // CHECK: pack.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, !pack.tensor<8x64, #pack.quantized<"u4g64.f16">, #pack.rows<16>>) -> tensor<?x8xf32>
  %w = nn.get @quantized : tensor<8x64xf32>
  %0 = nn.linear %x, %w : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func.func @use_rounded
func.func @use_rounded(%x: tensor<?x64xf32>, %i: tensor<?xi64>) -> (tensor<?x8xf32>, tensor<?x64xf32>) {
  %w = nn.get @rounded : tensor<8x64xf32>
  // CHECK: pack.linear %{{.*}}, %{{.*}} : (tensor<?x64xf32>, !pack.tensor<8x64, #pack.dense<f16>, #pack.rows<16>>) -> tensor<?x8xf32>
  %0 = nn.linear %x, %w : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  // CHECK: pack.gather %{{.*}}, %{{.*}} : (!pack.tensor<8x64, #pack.dense<f16>, #pack.rows<16>>, tensor<?xi64>) -> tensor<?x64xf32>
  %1 = nn.gather %w, %i {axis = 0 : i64} : (tensor<8x64xf32>, tensor<?xi64>) -> tensor<?x64xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @activations
func.func @activations(%x: tensor<?x64xf32>) -> tensor<?x8xf32> {
  // CHECK: pack.linear %{{.*}}, %{{.*}} {activations = i16} : (tensor<?x64xf32>, !pack.tensor<
  %w = nn.get @wide : tensor<8x64xf32>
  %0 = nn.linear %x, %w : (tensor<?x64xf32>, tensor<8x64xf32>) -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
