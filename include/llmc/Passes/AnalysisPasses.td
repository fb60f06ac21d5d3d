//===- AnalysisPasses.td - Types and proofs by SymbolicElements -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_ANALYSISPASSES
#define LLMC_PASSES_ANALYSISPASSES

include "mlir/Pass/PassBase.td"

def RefineTypesPass : Pass<"llmc-refine-types", "::mlir::ModuleOp"> {
  let summary = "Make types as static as they can be proved to be";
  let description = [{
    Asks SymbolicElements for the shape of every tensor and writes the extents
    that are constants into the types, those of arguments and results of
    functions included. Integer and boolean results of at most 4 KiB all of whose
    elements are constants become `arith.constant`, so that computations of
    shapes vanish. The shape operand of `nn.reshape` becomes a constant wherever
    a 0 (an extent of the input that stays in place) and one -1 can say it.

    Preconditions: none. A value that is used by other than nn ops and returns
    keeps its type; a function that is called keeps its signature. A module pass,
    because it asks for the callers of functions.

    ```mlir
    func.func @f(%x: tensor<?x8xf32> {nn.dims = ["seq", 8]}) -> tensor<?x?x?xf32> {
      %zero = arith.constant dense<0> : tensor<1xi64>
      %one = arith.constant dense<1> : tensor<1xi64>
      %heads = arith.constant dense<[2, 4]> : tensor<2xi64>
      %s = nn.shape_of %x : (tensor<?x8xf32>) -> tensor<2xi64>
      %rows = nn.slice %s [%zero, %one] {axes = array<i64: 0>, steps = array<i64: 1>}
            : (tensor<2xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
      %shape = nn.concat %rows, %heads {axis = 0 : i64} : (tensor<?xi64>, tensor<2xi64>) -> tensor<3xi64>
      %1 = nn.reshape %x, %shape : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x?x?xf32>
      return %1 : tensor<?x?x?xf32>
    }
    // becomes
    func.func @f(%x: tensor<?x8xf32> {nn.dims = ["seq", 8]}) -> tensor<?x2x4xf32> {
      %shape = arith.constant dense<[-1, 2, 4]> : tensor<3xi64>
      %1 = nn.reshape %x, %shape : (tensor<?x8xf32>, tensor<3xi64>) -> tensor<?x2x4xf32>
      return %1 : tensor<?x2x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

def StateConditionsPass : Pass<"llmc-state-conditions", "::mlir::func::FuncOp"> {
  let summary = "Write down what an entry's extents must satisfy";
  let description = [{
    Ops broadcast, join and reshape extents whose equality only names suggest,
    and an extent may be an element of an input. Of a public function, what
    SymbolicElements assumed to be equal and what it cannot prove to be at least
    zero becomes the attribute `llmc.conditions`: triples of two expressions that
    must be equal and of what to say where they are not. The compiled entry
    checks them before it runs. Refuses an equality that can never hold.

    ```mlir
    func.func @f(%x: tensor<?xf32> {nn.dims = ["n"]}, %y: tensor<?xf32> {nn.dims = ["m"]}) -> tensor<?xf32> {
      %0 = nn.add %x, %y : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    // becomes
    func.func @f(...) ... attributes {llmc.conditions = [["n", "m", "expected n == m"]]} {
    ```
  }];
}

def PrintSymbolsPass : Pass<"llmc-print-symbols", "::mlir::func::FuncOp"> {
  let summary = "Report symbolic shapes as remarks";
  let description = [{
    Reports at every op with tensor results their shapes as expressions over the
    symbols of the entry, and the equalities that were assumed at it. Changes
    nothing. For tests and for looking at an import.

    ```mlir
    // remark: shape [past + seq, 4]
    func.func @f(%past: tensor<?x4xf32> {nn.dims = ["past", 4]}, %new: tensor<?x4xf32> {nn.dims = ["seq", 4]}) {
      %1 = nn.concat %past, %new {axis = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
      return
    }
    ```
  }];
}

def PrintElementsPass : Pass<"llmc-print-elements", "::mlir::func::FuncOp"> {
  let summary = "Report the elements of marked ops as remarks";
  let description = [{
    At every op with the attribute `show`, reports the general element of its
    first result over index variables i0, i1, ...; of a tensor with at most 16
    elements, every element. Changes nothing. The attribute may name what to
    prove of the result: `show = "mask"`, `"repeat"` (axis 1 holds the heads),
    `"rotary"` (the last axis but one is time), `"positions"`, `"trace"`. With
    the option `layers`, also reports what is proved of every cosine and sine,
    and of the masks of attentions and of softmaxes.

    ```mlir
    // remark: element start[0] + i0
    func.func @f(%start: tensor<i64> {nn.name = "start"}, %end: tensor<i64> {nn.name = "end"}) {
      %one = arith.constant dense<1> : tensor<i64>
      %1 = nn.range %start, %end, %one {show} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
      return
    }
    ```
  }];
  let options = [Option<"layers", "layers", "bool", /*default=*/"false",
                        "Report what is proved of angles and masks, too">];
}

#endif // LLMC_PASSES_ANALYSISPASSES
