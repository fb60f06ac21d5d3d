// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which weights get a method, and what is said of those that do not.
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=w8 | FileCheck %s
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=f32 | FileCheck %s --check-prefix=F32
// RUN: not llmc-opt %s -llmc-assign-methods=recipe=w9 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: echo 'quantize: [{match: no_such_name, method: rtn, bits: 4}]' > %t.yaml
// RUN: not llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: echo 'quantize: [{read: gather, method: rtn, bits: 4, group: 32, zero: free}]' > %t.yaml
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml | FileCheck %s --check-prefix=TABLES
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=keep | FileCheck %s --check-prefix=KEEP
// RUN: echo 'quantize: [{match: "^w$|down", method: rtn, bits: 4, group: 32, activations: f32}, {match: low, method: rtn, bits: 4, group: 32, activations: bf16}, {method: rtn, bits: 4, group: 32, activations: i8}]' > %t.yaml
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml | FileCheck %s --check-prefix=RULES
// RUN: echo 'quantize: [{method: mse, bits: 4, group: 32, activations: auto}]' > %t.yaml
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml | FileCheck %s --check-prefix=AUTO
// RUN: echo 'calibration: {data: a.txt}' > %t.yaml && echo 'quantize: [{match: "^w$|embed|down", method: mse, bits: 4, group: 32, activations: auto}, {method: mse, bits: 4, group: 32}]' >> %t.yaml
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml | FileCheck %s --check-prefix=MEASURED
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=bf16 | FileCheck %s --check-prefix=BRAIN
// RUN: echo 'calibration: {data: a.txt}' > %t.yaml && echo 'quantize: [{read: gather, format: f32}, {match: down, format: f16, activations: auto}, {method: rtn, format: bf16}]' >> %t.yaml
// RUN: llmc-opt %s -split-input-file -llmc-assign-methods=recipe=%t.yaml | FileCheck %s --check-prefix=REALS
// UNKNOWN: error: unknown recipe 'w9'; expected one of f32,
// NONE: fits none of the 10 matrices of this model, such as '{{[a-z0-9._]+}}', '{{[a-z0-9._]+}}', '{{[a-z0-9._]+}}'; '--recipe f32 --dry-run --json' lists all

// RULES: nn.weight @w {{.*}} {pack.activations = f32, pack.method = #pack.method<"rtn", "u4g32">}
// CHECK: nn.weight @w {{.*}} {pack.method = #pack.method<"mse", "i8g32">}
// BRAIN: nn.weight @w {{.*}} {pack.method = #pack.method<"rtn", "bf16">}
// REALS: nn.weight @w {{.*}} {pack.method = #pack.method<"rtn", "bf16">}
// TABLES: nn.weight @w {{.*}} {pack.kept = "no rule of the recipe fits"}
nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>>
// CHECK: nn.weight @embed {{.*}} {pack.method = #pack.method<"mse", "i8g32">}
// BRAIN: nn.weight @embed {{.*}} {pack.method = #pack.method<"rtn", "bf16">}
// REALS: nn.weight @embed {{.*}} {pack.kept = "the recipe leaves it in f32"}
// TABLES: nn.weight @embed {{.*}} {pack.method = #pack.method<"rtn", "u4g32", {zero = "free"}>}
nn.weight @embed : tensor<8x32xf32> from #nn.key<"e" : tensor<8x32xf32>>
// CHECK: nn.weight @both {{.*}} {pack.kept = "it is also read by nn.neg"}
nn.weight @both : tensor<8x32xf32> from #nn.key<"b" : tensor<8x32xf32>>
// CHECK: nn.weight @half {{.*}} {pack.kept = "its element type is not f32"}
nn.weight @half : tensor<8x32xf16> from #nn.key<"h" : tensor<8x32xf16>>
// CHECK: nn.weight @gamma : tensor<32xf32> from #nn.key<"g" : tensor<32xf32>>{{$}}
nn.weight @gamma : tensor<32xf32> from #nn.key<"g" : tensor<32xf32>>
// BRAIN: nn.weight @gamma : tensor<32xf32> from #nn.key<"g" : tensor<32xf32>>{{$}}
// F32-NOT: pack.

// CHECK: nn.weight @codes {{.*}} {pack.method = #pack.method<"mse", "i8g32">}
// KEEP: nn.weight @w {{.*}} {pack.kept = "the recipe keeps it as it comes, but it is not stored as codes and scales"}
// KEEP: nn.weight @codes {{.*}} {pack.method = #pack.method<"keep", "i8g16.f32">}
nn.weight @codes : tensor<8x32xf32> from #nn.dequant<#nn.dense<dense<3> : tensor<8x32xi8>>, #nn.dense<dense<0.5> : tensor<8x2xf32>>, 0, [1, 16]>

// Numbers of 16 bits that a product reads as f32 come compressed, too.
// KEEP: nn.weight @wide {{.*}} {pack.method = #pack.method<"keep", "f16">}
// KEEP: nn.weight @turned {{.*}} {pack.method = #pack.method<"keep", "bf16">}
// KEEP: nn.weight @summed {{.*}} {pack.kept = "the recipe keeps it as it comes, but
nn.weight @wide : tensor<8x32xf32> from #nn.cast<#nn.key<"wide" : tensor<8x32xf16>>, f32>
nn.weight @turned : tensor<8x32xf32> from #nn.rows<#nn.transpose<#nn.cast<#nn.key<"t" : tensor<32x9xbf16>>, f32>, [1, 0]>, 0, 8>
nn.weight @summed : tensor<8x32xf32> from #nn.affine<#nn.cast<#nn.key<"s" : tensor<8x32xbf16>>, f32>, 2.0 : f64, 0.0 : f64>

// A gated product is what it reads.
// AUTO: nn.weight @w {{.*}} {pack.method = #pack.method<"mse", "u4g32">}
// MEASURED: nn.weight @w {{.*}} {pack.measured, pack.method
// MEASURED: nn.weight @embed {{.*}} {pack.method
// MEASURED: nn.weight @down {{.*}} {pack.measured, pack.method
// MEASURED: nn.weight @low {{.*}} {pack.method
// AUTO: nn.weight @down {{.*}} {pack.activations = i16, pack.method = #pack.method<"mse", "u4g32">}
// CHECK: nn.weight @down {{.*}} {pack.method = #pack.method<"mse", "i8g32">}
// REALS: nn.weight @down {{.*}} {pack.method = #pack.method<"rtn", "f16">}
// RULES: nn.weight @down {{.*}} {pack.activations = f32,
nn.weight @down : tensor<8x32xf32> from #nn.key<"d" : tensor<8x32xf32>>
// RULES: nn.weight @low {{.*}} {pack.activations = bf16, pack.method
nn.weight @low : tensor<8x32xf32> from #nn.key<"l" : tensor<8x32xf32>>
func.func @gated(%g: tensor<?x32xf32>, %u: tensor<?x32xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %p = nn.mul %g, %u : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %d = nn.get @down : tensor<8x32xf32>
  %l = nn.get @low : tensor<8x32xf32>
  %0 = nn.linear %p, %d : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %1 = nn.linear %p, %l : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  return %0, %1 : tensor<?x8xf32>, tensor<?x8xf32>
}

func.func @main(%x: tensor<?x32xf32>, %h: tensor<?x32xf16>, %i: tensor<?xi64>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<8x32xf32>, tensor<?x8xf16>, tensor<?x8xf32>) {
  %w = nn.get @w : tensor<8x32xf32>
  %e = nn.get @embed : tensor<8x32xf32>
  %b = nn.get @both : tensor<8x32xf32>
  %c = nn.get @half : tensor<8x32xf16>
  %g = nn.get @gamma : tensor<32xf32>
  %0 = nn.gather %e, %i {axis = 0 : i64} : (tensor<8x32xf32>, tensor<?xi64>) -> tensor<?x32xf32>
  %d = nn.get @codes : tensor<8x32xf32>
  %6 = nn.linear %x, %d : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %1 = nn.rms_norm %0, %g {epsilon = 1.0E-5 : f64} : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  %2 = nn.linear %1, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %3 = nn.linear %x, %b : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %4 = nn.neg %b : (tensor<8x32xf32>) -> tensor<8x32xf32>
  %5 = nn.linear %h, %c : (tensor<?x32xf16>, tensor<8x32xf16>) -> tensor<?x8xf16>
  return %2, %3, %4, %5, %6 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8x32xf32>, tensor<?x8xf16>, tensor<?x8xf32>
}

func.func @numbers(%x: tensor<?x32xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = nn.get @wide : tensor<8x32xf32>
  %b = nn.get @turned : tensor<8x32xf32>
  %c = nn.get @summed : tensor<8x32xf32>
  %0 = nn.linear %x, %a : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %1 = nn.linear %x, %b : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  %2 = nn.linear %x, %c : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
  return %0, %1, %2 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}
