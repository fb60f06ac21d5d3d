//===- QuantizePasses.td - Which weights are compressed, and how ----------===//
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
    first rule of the recipe that fits. A weight that stays as it is gets the
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

#endif // LLMC_PASSES_QUANTIZEPASSES
