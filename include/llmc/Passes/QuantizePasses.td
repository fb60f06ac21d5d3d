//===- QuantizePasses.td - What is compressed, and how --------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every example below stands in test/Passes/Quantize too.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_QUANTIZEPASSES
#define LLMC_PASSES_QUANTIZEPASSES

include "mlir/Pass/PassBase.td"

def AssignMethodsPass : Pass<"llmc-assign-methods", "::mlir::ModuleOp"> {
  let summary = "Give every matrix the method and the format of its recipe";
  let description = [{
    A weight of type tensor<RxCxf32> that is read by `nn.linear` as its weight,
    or by `nn.gather` along axis 0, and in no other way, gets the method of the
    first rule of the recipe that fits, and `pack.activations` where inputs of
    products with it are not to be rounded to i8: as the rule says, or, where it says
    auto, i16 for inputs that are gated products; of a recipe with a calibration, auto
    is `pack.measured`, for `llmc-choose-activations`. A weight that stays as it is gets the
    reason, where a reader could wonder: `pack.kept`. No type changes here, and
    no byte is read. Fails where a recipe has rules and none fits any weight. A
    module pass, since weights are symbols of the module.

    ```mlir
    nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>>
    %w = nn.get @w : tensor<8x32xf32>
    %0 = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
    // becomes, with recipe=w8
    nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>> {pack.method = #pack.method<"mse", "i8g32">}
    ```
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"f32\"", "the name of a recipe, or the path of a .yaml file">
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::llmc::pack::PackDialect"];
}

def ScaleColumnsPass : Pass<"llmc-scale-columns", "::mlir::ModuleOp"> {
  let summary = "Even out the columns of matrices whose method asks for it";
  let description = [{
    For matrices of the method sinq (arXiv 2509.22944, section 2) that nothing but
    `nn.linear` reads: each gets a scale t of its columns, or all with one input
    get one where the setting `share` is true. The matrices are divided by t and
    their input is multiplied by it; where what
    makes the input can take t up exactly (a norm, the linear side of a gated
    product, or the values of attention), the multiplication vanishes, unless
    `fold` is false; where query heads share a head of values, their columns then
    share a scale. The scale of a producer's columns is that of the matrix before
    its rows took any up. Fails where a weight cannot be read or has a
    number that is not finite. A module pass, since weights are symbols of the
    module.

    ```mlir
    nn.weight @w : tensor<4x4xf32> from #nn.dense<dense<[[1.,2.,3.,40.],[2.,1.,0.,-60.],[1.,-2.,3.,4.],[1.,1.,1.,-80.]]> : tensor<4x4xf32>> {pack.method = #pack.method<"sinq", "u4g16">}
    %w = nn.get @w : tensor<4x4xf32>
    %0 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    // becomes
    nn.weight @w.columns : tensor<4xf32> from #nn.dense<...>
    nn.weight @w : tensor<4x4xf32> from #nn.scale<#nn.dense<...>, #nn.dense<...>, 1, true> ...
    %t = nn.get @w.columns : tensor<4xf32>
    %1 = nn.mul %x, %t : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %w = nn.get @w : tensor<4x4xf32>
    %0 = nn.linear %1, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let options = [
    Option<"threads", "threads", "unsigned", "0", "threads to work with; 0 is as many as the machine has cores">,
    Option<"fold", "fold", "bool", "true", "let what makes the input take the scale up where it can">
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::llmc::pack::PackDialect"];
}

def InsertTapsPass : Pass<"llmc-insert-taps", "::mlir::func::FuncOp"> {
  let summary = "Measure the inputs of products with weights";
  let description = [{
    Every value that is the input of an `nn.linear` with a weight gets an `nn.tap`,
    one for all that read it, whose sums the function returns behind its other
    results under the names tap0, tap1, ... Nothing else changes: a function that
    is compiled and run so tells what calibration wants to know.

    Preconditions: inputs of f32 whose last extent is known. Refuses nothing: other
    products have no tap.

    ```mlir
    nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>>
    %w = nn.get @w : tensor<8x32xf32>
    %0 = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
    // becomes
    %t = nn.tap %x : (tensor<?x32xf32>) -> tensor<3x32xf64>
    %0 = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
    ```
  }];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

def ChooseActivationsPass : Pass<"llmc-choose-activations", "::mlir::ModuleOp"> {
  let summary = "Choose what inputs are rounded to by what was measured";
  let description = [{
    A weight with `pack.measured` has inputs that a recipe leaves to measurement.
    It gets `pack.activations` of i16 where `pack.rounding`, the relative error
    that rounding to i8 makes of the inputs (the root of squared errors by squares,
    over all tokens of the calibration), is larger than `bound`. Weights that read
    the same values were measured together, so their choice is the same.

    Preconditions: a weight that the calibration did not reach keeps i8. Refuses
    nothing. A module pass, since weights are symbols of the module.

    ```mlir
    nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>> {pack.measured, pack.method = #pack.method<"mse", "u4g32">, pack.rounding = 0.0125 : f64}
    %w = nn.get @w : tensor<8x32xf32>
    %0 = nn.linear %x, %w : (tensor<?x32xf32>, tensor<8x32xf32>) -> tensor<?x8xf32>
    // becomes
    nn.weight @w : tensor<8x32xf32> from #nn.key<"w" : tensor<8x32xf32>> {pack.activations = i16, pack.measured, pack.method = #pack.method<"mse", "u4g32">, pack.rounding = 1.250000e-02 : f64}
    ```
  }];
  let options = [
    Option<"bound", "bound", "double", "0.008", "the largest relative error that i8 may make">
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::llmc::pack::PackDialect"];
}

def EncodeCachesPass : Pass<"llmc-encode-caches", "::mlir::func::FuncOp"> {
  let summary = "Store keys and values in a format of fewer bits";
  let description = [{
    Every state of the function to which `nn.append` writes gets elements of
    `format`; llmc/Dialect/NN/CacheFormat.h tells what they hold. In i8 a row grows
    by the four bytes of its scale. Appending encodes, attention decodes, and
    nothing else in the function changes.

    Preconditions: caches of f32. Refuses a cache that another op reads, since it
    would see what is stored.

    ```mlir
    func.func @f(%q: tensor<?x2x4xf32>, %x: tensor<?x2x4xf32>, %p: index,
                 %k: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.state = 1 : i64},
                 %v: tensor<2x?x4xf32> {nn.dims = [2, "context", 4], nn.state = 2 : i64})
        -> (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>) {
      %0 = nn.append %k, %x at %p : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
      %1 = nn.append %v, %x at %p : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
      %2 = nn.cached_attention %q, %0, %1 at %p {scale = 0.5 : f64}
         : (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, index) -> tensor<?x2x4xf32>
      return %2, %0, %1 : tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>
    }
    // becomes, with format=i8
    func.func @f(%q: tensor<?x2x4xf32>, %x: tensor<?x2x4xf32>, %p: index, %k: tensor<2x?x8xi8> {nn.dims = [2, "context", 8], nn.state = 1 : i64}, ...
      %0 = nn.append %k, %x at %p : (tensor<2x?x8xi8>, tensor<?x2x4xf32>, index) -> tensor<2x?x8xi8>
      %1 = nn.append %v, %x at %p : (tensor<2x?x8xi8>, tensor<?x2x4xf32>, index) -> tensor<2x?x8xi8>
      %2 = nn.cached_attention %q, %0, %1 at %p {scale = 5.000000e-01 : f64} : (tensor<?x2x4xf32>, tensor<2x?x8xi8>, tensor<2x?x8xi8>, index) -> tensor<?x2x4xf32>
      return %2, %0, %1 : tensor<?x2x4xf32>, tensor<2x?x8xi8>, tensor<2x?x8xi8>
    ```
  }];
  let options = [
    Option<"format", "format", "std::string", "\"f32\"", "what a cache holds: f32, bf16 or i8">
  ];
  let dependentDialects = ["::llmc::nn::NNDialect"];
}

#endif // LLMC_PASSES_QUANTIZEPASSES
