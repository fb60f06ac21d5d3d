// RUN: llmc-opt %s --split-input-file --llmc-narrow-rows | FileCheck %s

// The last layer of a language model: keys and values for every row, the rest
// for the rows that are read, which stand `start` later.
// CHECK-LABEL: @last_layer
// CHECK-SAME: (%[[X:[a-z0-9]+]]: tensor<?x8xf32>, %[[SEQ:[a-z0-9]+]]: index, %[[PAST:[a-z0-9]+]]: index, %[[N:[a-z0-9]+]]: index
// CHECK: %[[ALL:.*]] = nn.rms_norm %[[X]]
// CHECK: %[[START:.*]] = arith.subi %[[SEQ]], %[[N]]
// CHECK: %[[SOME:.*]] = nn.rows %[[ALL]][%[[START]], %[[N]]]
// CHECK: %[[Q:.*]] = nn.linear %[[SOME]]
// CHECK: nn.reshape %[[Q]]
// CHECK: nn.linear %[[ALL]]
// CHECK: %[[K:.*]] = nn.append
// CHECK: nn.rows %{{.*}}[%[[START]], %[[N]]] : (tensor<?x2xf32>
// CHECK: nn.rotary
// CHECK: %[[AT:.*]] = arith.addi %[[PAST]], %[[START]]
// CHECK: nn.cached_attention %{{.*}}, %[[K]], %{{.*}} at %[[AT]]
// CHECK: nn.linear
// CHECK: %[[RESIDUAL:.*]] = nn.rows %[[X]][%[[START]], %[[N]]]
// CHECK: %[[Y:.*]] = nn.add %[[RESIDUAL]], %{{.*}} : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
// CHECK-NOT: nn.rows
// CHECK: return %[[Y]]
func.func @last_layer(%x: tensor<?x8xf32>, %seq: index, %past: index, %n: index, %norm: tensor<8xf32>, %w: tensor<8x8xf32>,
    %cos: tensor<?x2xf32>, %sin: tensor<?x2xf32>, %keys: tensor<2x?x4xf32>, %values: tensor<2x?x4xf32>)
    -> (tensor<?x8xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>) {
  %heads = arith.constant dense<[-1, 2, 4]> : tensor<3xi64>
  %flat = arith.constant dense<[-1, 8]> : tensor<2xi64>
  %h = nn.rms_norm %x, %norm {epsilon = 1.0e-5 : f64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %q = nn.linear %h, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %qh = nn.reshape %q, %heads : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %k = nn.linear %h, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %kh = nn.reshape %k, %heads : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
  %k1 = nn.append %keys, %kh at %past : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
  %v1 = nn.append %values, %kh at %past : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
  %qr = nn.rotary %qh, %cos, %sin : (tensor<?x2x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2x4xf32>
  %a = nn.cached_attention %qr, %k1, %v1 at %past {scale = 0.5 : f64} : (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, index) -> tensor<?x2x4xf32>
  %af = nn.reshape %a, %flat : (tensor<?x2x4xf32>, tensor<2xi64>) -> tensor<?x8xf32>
  %o = nn.linear %af, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %r = nn.add %x, %o : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %start = arith.subi %seq, %n : index
  %y = nn.rows %r[%start, %n] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  return %y, %k1, %v1 : tensor<?x8xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>
}

// -----

// A factor for each column, and a row that all share, stay whole.
// CHECK-LABEL: @shared
// CHECK: nn.rows %arg0
// CHECK: nn.linear
// CHECK: nn.mul %{{.*}}, %arg2
// CHECK: nn.add %{{.*}}, %arg3
func.func @shared(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %scale: tensor<8xf32>, %row: tensor<1x8xf32>, %s: index, %n: index) -> tensor<?x8xf32> {
  %a = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %b = nn.mul %a, %scale : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %c = nn.add %b, %row : (tensor<?x8xf32>, tensor<1x8xf32>) -> tensor<?x8xf32>
  %y = nn.rows %c[%s, %n] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Somebody else reads all rows.
// CHECK-LABEL: @other_reader
// CHECK: nn.linear %arg0
// CHECK-NEXT: nn.rows
func.func @other_reader(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %s: index, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %y = nn.rows %a[%s, %n] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  return %a, %y : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Rows that depend on each other, and rows that are cut anew.
// CHECK-LABEL: @not_alone
// CHECK: nn.linear %arg0
// CHECK: nn.softmax
// CHECK-NEXT: nn.rows
// CHECK: nn.linear %arg0
// CHECK: nn.reshape
// CHECK-NEXT: nn.rows
func.func @not_alone(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %s: index, %n: index) -> (tensor<?x8xf32>, tensor<?x4xf32>) {
  %flat = arith.constant dense<[-1, 4]> : tensor<2xi64>
  %a = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %b = nn.softmax %a {axis = 0 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = nn.rows %b[%s, %n] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  %c = nn.linear %x, %w : (tensor<?x8xf32>, tensor<8x8xf32>) -> tensor<?x8xf32>
  %d = nn.reshape %c, %flat : (tensor<?x8xf32>, tensor<2xi64>) -> tensor<?x4xf32>
  %z = nn.rows %d[%s, %n] : (tensor<?x4xf32>, index, index) -> tensor<?x4xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x4xf32>
}

// -----

// One row, and nothing that costs anything.
// CHECK-LABEL: @cheap
// CHECK: nn.linear %arg0
// CHECK-NEXT: nn.rows
// CHECK: nn.silu %arg2
// CHECK-NEXT: nn.rows
func.func @cheap(%x: tensor<1x8xf32>, %w: tensor<8x8xf32>, %z: tensor<?x8xf32>, %s: index, %n: index) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %a = nn.linear %x, %w : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  %y = nn.rows %a[%s, %n] : (tensor<1x8xf32>, index, index) -> tensor<?x8xf32>
  %b = nn.silu %z : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %u = nn.rows %b[%s, %n] : (tensor<?x8xf32>, index, index) -> tensor<?x8xf32>
  return %y, %u : tensor<?x8xf32>, tensor<?x8xf32>
}
