//===- KernelPasses.td - Packed weights and generated kernels -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The examples are run by test/Scripts/test_examples.py.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_KERNELPASSES
#define LLMC_PASSES_KERNELPASSES

include "mlir/Pass/PassBase.td"

def PackWeightsPass : Pass<"llmc-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Store the matrices of linear layers in the order of the kernels";
  let description = [{
    A weight of type tensor<RxCxf32> that `nn.linear` multiplies by, or from
    which `nn.gather` takes rows (axis 0), becomes packed, and these ops become
    `pack.linear` and `pack.gather`. All uses of one weight share one packed
    tensor. A weight that is also used otherwise keeps its dense form beside the
    packed one, which is then called NAME.packed; if only rows are taken from it,
    and in f32, it stays as it is. Where the weight has a `pack.method`, the packed tensor has that method's format, and products with it
    the `pack.activations` of the weight. Refuses nothing:
    what is not such a matrix stays. A module pass, since weights are symbols of
    the module.

    ```mlir
    nn.weight @w : tensor<8x4xf32> from #nn.key<"w" : tensor<8x4xf32>>
    %w = nn.get @w : tensor<8x4xf32>
    %1 = nn.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
    // becomes
    nn.weight @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>> from #nn.key<"w" : tensor<8x4xf32>>
    %w = nn.get @w : !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>
    %1 = pack.linear %x, %w : (tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) -> tensor<?x8xf32>
    ```
  }];
  let options = [
    Option<"format", "format", "std::string", "\"f32\"", "how values are stored: f32, bf16 or f16">,
    Option<"rows", "rows", "int64_t", "0", "rows per block, a power of two up to 256; 0 means what suits the processor">,
    Option<"cpu", "cpu", "std::string", "\"host\"", "LLVM name of the processor, or host">,
    Option<"features", "features", "std::string", "\"\"", "changes to the processor's features: +a,-b">,
    Option<"triple", "triple", "std::string", "\"\"", "LLVM target triple; empty means the host's">
  ];
  let dependentDialects = ["::llmc::nn::NNDialect", "::llmc::pack::PackDialect"];
}

def LowerToKernPass : Pass<"llmc-lower-to-kern", "::mlir::func::FuncOp"> {
  let summary = "Turn packed products, gathers, appends and cached attention into kernels";
  let description = [{
    `pack.linear`, `pack.gather`, `nn.append` and `nn.cached_attention` become
    `kern` ops that write into a `tensor.empty`, or into the cache. Whether a
    cache holds keys or values (the two lie differently in memory) follows from
    the attention that reads the appended value.
    Attention of one row becomes two: over each chunk of the cache, which threads
    share, and then over the chunks. Where the format of a matrix has a Hadamard
    transform, `kern.rotate` makes the input of its products, once for all that
    share it, and the rows that are gathered from it. Where columns have an order of
    their own, `kern.permute` makes the input of each product. What a format with a rank adds
    becomes two dense products more, of the input as it is (times the factors) with
    the matrices behind the codes (`kern.side`), the second of which adds to the first
    product; what one with a sparse part adds becomes `kern.sparse_linear` of the same
    input.

    Preconditions: element type f32. Refuses an append that no attention of the
    function reads, or one reads as key and one as value: its order in memory
    would be unknown.

    ```mlir
    %1 = nn.append %cache, %x at %p : (tensor<2x?x4xf32>, tensor<?x2x4xf32>, index) -> tensor<2x?x4xf32>
    %2 = nn.cached_attention %q, %1, %v at %p {scale = 0.5 : f64}
       : (tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>, index) -> tensor<?x2x4xf32>
    // becomes
    %1 = kern.append ins(%x, %p : tensor<?x2x4xf32>) outs(%cache : tensor<2x?x4xf32>) {keys} -> tensor<2x?x4xf32>
    %0 = tensor.empty(...) : tensor<?x2x4xf32>
    %2 = kern.attention ins(%q, %1, %v, %p : tensor<?x2x4xf32>, tensor<2x?x4xf32>, tensor<2x?x4xf32>)
       outs(%0 : tensor<?x2x4xf32>) {scale = 0.5 : f64} -> tensor<?x2x4xf32>
    ```
  }];
  let dependentDialects = ["::llmc::kern::KernDialect", "::llmc::nn::NNDialect",
                           "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect"];
}

def JoinProductsPass : Pass<"llmc-join-products", "::mlir::func::FuncOp"> {
  let summary = "Let products that do not wait for each other run together";
  let description = [{
    A product that needs no result of the product before it, directly or through
    others, is moved behind that product and becomes `joined`: both are then one
    parallel loop, and the threads meet once, not twice. Of a transformer's layer
    these are query, key and value, and gate and up. What the moved product needs
    goes before the first of them, if it is made by nothing but quantization, by a
    transform or an order of columns and by ops that compute no elements. Products that add to
    others form a loop of their own behind these. Only products of one block join;
    refuses nothing.

    ```mlir
    %1 = kern.linear ins(%x, %v : tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%0 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = nn.relu %1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %4 = kern.linear ins(%x, %w : tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%3 : tensor<?x8xf32>) -> tensor<?x8xf32>
    // becomes
    %1 = kern.linear ins(%x, %v : tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%0 : tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = kern.linear ins(%x, %w : tensor<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%3 : tensor<?x8xf32>) {joined} -> tensor<?x8xf32>
    %4 = nn.relu %1 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
}

def ExpandKernelsPass : Pass<"llmc-expand-kernels", "::mlir::ModuleOp"> {
  let summary = "Generate the code of kernels";
  let description = [{
    After bufferization: every `kern` op becomes an `scf.parallel` over
    independent items whose body calls private micro-kernels. These are
    generated once per format, register tile and head size, take bare pointers
    and extents, and carry `llmc.kernel`. Products that are `joined` share one
    loop with the product before them. The result of a row does not depend on
    how rows are tiled or items are divided.

    Preconditions: memrefs whose last stride is one; of more than two extents
    only with the identity layout. A module pass, since micro-kernels are shared
    by all functions.

    ```mlir
    kern.linear ins(%x, %w : memref<?x4xf32>, !pack.tensor<8x4, #pack.dense<f32>, #pack.rows<16>>) outs(%y : memref<?x8xf32>)
    // becomes
    scf.parallel (%item) = (%c0) to (%items) step (%c1) {
      ...
      func.call @kern_linear_f32_r16_x4(...)
    ```
  }];
  let options = [
    Option<"cpu", "cpu", "std::string", "\"host\"", "LLVM name of the processor, or host">,
    Option<"features", "features", "std::string", "\"\"", "changes to the processor's features: +a,-b">,
    Option<"triple", "triple", "std::string", "\"\"", "LLVM target triple; empty means the host's">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::mlir::math::MathDialect"];
}

#endif // LLMC_PASSES_KERNELPASSES
