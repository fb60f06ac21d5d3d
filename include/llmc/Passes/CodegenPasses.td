//===- CodegenPasses.td - From tensors to memory to LLVM ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The passes between the lowering of nn (linalg and kern on tensors) and LLVM
// code. They share these conventions:
//  * raw memory is `memref<1099511627776xi8>` (2^40 bytes; never allocated);
//    with the bare-pointer convention it is one pointer;
//  * attributes of arguments: `llmc.out` (result number: destination of a
//    result), `llmc.weights`, `llmc.arena`, `llmc.ctx` (unit);
//  * a call with the attribute `llmc.parallel` passes a range [0, n) as its
//    first two operands; the callee may be called with any partition of it;
//  * a call with the attribute `llmc.product` multiplies with a weight matrix;
//  * a function with the attribute `llmc.kernel` is a micro-kernel: it has its
//    final signature from the start and is left alone.
// The examples are run by test/Scripts/test_examples.py.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PASSES_CODEGENPASSES
#define LLMC_PASSES_CODEGENPASSES

include "mlir/Pass/PassBase.td"

def SpecializeSeq : Pass<"llmc-specialize-seq", "mlir::ModuleOp"> {
  let summary = "Clone the language model for one token";
  let description = [{
    The function `function` is cloned as `NAME_seq1` with the symbols `seq` and
    `n_logits` both one: types become static, and the kernels for one row are
    chosen. The clone keeps the signature and is a variant of the entry
    (`llmc.variant_of`, `llmc.when`). Does nothing where there is no such
    function. A module pass, since it adds a function.

    ```mlir
    func.func @lm(%ids: tensor<?xi64> {nn.dims = ["seq"]}, %seq: index {nn.symbol = "seq"}) -> (tensor<?xi64> {nn.dims = ["seq"]}) {
      %0 = nn.neg %ids : (tensor<?xi64>) -> tensor<?xi64>
      return %0 : tensor<?xi64>
    }
    // adds
    func.func @lm_seq1(%ids: tensor<1xi64> {nn.dims = [1]}, %seq: index {nn.symbol = "seq"}) -> (tensor<1xi64> {nn.dims = [1]})
        attributes {llmc.variant_of = "lm", llmc.when = array<i64: 0, 1>} {
      %0 = nn.neg %ids : (tensor<1xi64>) -> tensor<1xi64>
    ```
  }];
  let options = [Option<"function", "function", "std::string", "\"lm\"", "name of the function">];
  let dependentDialects = ["mlir::arith::ArithDialect"];
}

def OutlineSegments : Pass<"llmc-outline-segments", "mlir::ModuleOp"> {
  let summary = "Make one function of equal layers";
  let description = [{
    The body of each public function is cut where exactly one activation is live
    (the residual stream). Segments that are equal, types included, become one
    private function; weights, states and what does not depend on the input stay
    at the call sites and are passed. So compile time does not grow with depth.
    Segments that occur once stay where they are. A module pass, since it adds
    functions.

    ```mlir
    %1 = nn.linear %0, %w0 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %2 = nn.add %0, %1 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %3 = nn.linear %2, %w1 : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %4 = nn.add %2, %3 : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    // becomes
    %2 = call @main_segment(%0, %w0) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %4 = call @main_segment(%2, %w1) : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["mlir::func::FuncDialect"];
}

def AddDestinations : Pass<"llmc-add-destinations", "mlir::ModuleOp"> {
  let summary = "Give every function its results' memory as arguments";
  let description = [{
    Each tensor result that is not tied to a state argument gets an argument
    `llmc.out` of its type into which it is materialized; call sites pass a
    `tensor.empty`. A result with dynamic extents must have `nn.dims` over
    symbols that are index arguments (`nn.symbol`) of its function and of every
    caller. A module pass, since callers and callees change together.

    ```mlir
    func.func @f(%n: index {nn.symbol = "n"}, %x: tensor<?xf32>) -> (tensor<?xf32> {nn.dims = ["n"]}) {
      %0 = math.exp %x : tensor<?xf32>
      return %0 : tensor<?xf32>
    }
    // becomes
    func.func @f(%n: index {nn.symbol = "n"}, %x: tensor<?xf32>, %out: tensor<?xf32> {llmc.out = 0 : i64, nn.dims = ["n"]})
        -> (tensor<?xf32> {nn.dims = ["n"]}) {
      %0 = math.exp %x : tensor<?xf32>
      %1 = bufferization.materialize_in_destination %0 in %out : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
      return %1 : tensor<?xf32>
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::tensor::TensorDialect",
                           "mlir::bufferization::BufferizationDialect"];
}

def BindWeights : Pass<"llmc-bind-weights", "mlir::ModuleOp"> {
  let summary = "Turn weights into places in one mapped file";
  let description = [{
    Every public function gets an argument `llmc.weights`; each `nn.get` in it
    becomes a view of that memory at the offset that `llmc.offset` on the
    `nn.weight` states. Dense weights become read-only tensors, packed ones keep
    their type behind a cast from raw memory. Refuses an `nn.get` in a private
    function (weights are arguments there) and a weight without offset.

    ```mlir
    nn.weight @w : tensor<4xf32> from #nn.key<"w" : tensor<4xf32>> {llmc.offset = 64 : i64}
    func.func @f() {
      %0 = nn.get @w : tensor<4xf32>
      "use"(%0) : (tensor<4xf32>) -> ()
      return
    }
    // becomes
    func.func @f(%weights: memref<1099511627776xi8> {llmc.weights}) {
      %c64 = arith.constant 64 : index
      %0 = memref.view %weights[%c64][] : memref<1099511627776xi8> to memref<4xf32>
      %1 = bufferization.to_tensor %0 restrict : memref<4xf32> to tensor<4xf32>
      "use"(%1) : (tensor<4xf32>) -> ()
      return
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::memref::MemRefDialect",
                           "mlir::bufferization::BufferizationDialect"];
}

def VerifyNoHiddenCopies : Pass<"llmc-verify-no-hidden-copies", "mlir::ModuleOp"> {
  let summary = "Refuse code in which bufferization copied state";
  let description = [{
    After bufferization: each result tied to a state argument must be that
    argument, seen through views, and no copy may read state; both are followed
    through calls. Then results that are arguments are dropped from public
    functions. It changes nothing else and fails, naming the function and the
    argument, where MLIR silently would have copied a whole cache or left the
    old one in place. A module pass, since state is followed through calls.

    ```mlir
    func.func @f(%s: memref<4xf32> {nn.state = 0 : i64}) -> memref<4xf32> {
      return %s : memref<4xf32>
    }
    // becomes
    func.func @f(%s: memref<4xf32> {nn.state = -1 : i64}) {
      return
    }
    ```
  }];
}

def PlanArena : Pass<"llmc-plan-arena", "mlir::ModuleOp"> {
  let summary = "Put every allocation into one arena";
  let description = [{
    Callees first, each allocation of a function gets an offset into an argument
    `llmc.arena`; buffers whose lives do not overlap share a place where their
    sizes agree. Offsets and the total are expressions of the function's index
    arguments; the function `NAME_arena_size` computes the total. A callee works
    in the tail of its caller's arena. Refuses an allocation inside a region,
    one that escapes, and a size that is no expression of index arguments.

    ```mlir
    func.func @f(%n: index) {
      %0 = memref.alloc(%n) : memref<?xf32>
      "use"(%0) : (memref<?xf32>) -> ()
      return
    }
    // becomes
    func.func private @f_arena_size(%n: index) -> index
    func.func @f(%n: index, %arena: memref<1099511627776xi8> {llmc.arena}) {
      %0 = memref.view %arena[%offset][%n] : memref<1099511627776xi8> to memref<?xf32>
      "use"(%0) : (memref<?xf32>) -> ()
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::memref::MemRefDialect",
                           "mlir::func::FuncDialect"];
}

def RawAbi : Pass<"llmc-raw-abi", "mlir::ModuleOp"> {
  let summary = "Pass memory as plain pointers";
  let description = [{
    Dynamic memrefs at function boundaries become raw memory and a view whose
    extents come from `nn.dims`; packed weights become raw memory behind a cast.
    Every function that is not a kernel gets the argument `llmc.ctx` first.
    Private functions become internal. Refuses dynamic arguments without
    `nn.dims`. A module pass, since callers and callees change together.

    ```mlir
    func.func @f(%n: index {nn.symbol = "n"}, %x: memref<?xf32> {nn.dims = ["n"]}) {
      "use"(%x) : (memref<?xf32>) -> ()
      return
    }
    // becomes
    func.func @f(%ctx: memref<1099511627776xi8> {llmc.ctx}, %n: index {nn.symbol = "n"}, %raw: memref<1099511627776xi8> ...) {
      %x = memref.view %raw[...][%n] : memref<1099511627776xi8> to memref<?xf32>
      "use"(%x) : (memref<?xf32>) -> ()
    ```
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect", "mlir::memref::MemRefDialect",
                           "mlir::arith::ArithDialect"];
}

def LowerLinalgToLoops : Pass<"llmc-lower-linalg-to-loops", "mlir::func::FuncOp"> {
  let summary = "Turn linalg on memory into loops that carry their reductions";
  let description = [{
    Parallel iterators become one `scf.parallel`, reductions `scf.for` loops
    inside it whose accumulators are loop-carried values, not memory: LLVM cannot
    keep an accumulator in a register where source and destination may overlap.
    Floating point combiners of reductions may be reassociated; nothing else may.
    Copies become loops too. Refuses a linalg op without buffers.

    ```mlir
    func.func @f(%x: memref<4x8xf32>, %y: memref<4xf32>) {
      linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
                      iterator_types = ["parallel", "reduction"]}
          ins(%x : memref<4x8xf32>) outs(%y : memref<4xf32>) {
      ^bb0(%a: f32, %b: f32):
        %s = arith.addf %a, %b : f32
        linalg.yield %s : f32
      }
      return
    }
    // becomes
    scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
      %0 = memref.load %y[%i] : memref<4xf32>
      %1 = scf.for %j = %c0 to %c8 step %c1 iter_args(%b = %0) -> (f32) {
        %a = memref.load %x[%i, %j] : memref<4x8xf32>
        %s = arith.addf %a, %b fastmath<reassoc,contract> : f32
        scf.yield %s : f32
      }
      memref.store %1, %y[%i] : memref<4xf32>
      scf.reduce
    }
    ```
  }];
  let dependentDialects = ["mlir::scf::SCFDialect", "mlir::memref::MemRefDialect",
                           "mlir::affine::AffineDialect", "mlir::arith::ArithDialect"];
}

def OutlineParallel : Pass<"llmc-outline-parallel", "mlir::ModuleOp"> {
  let summary = "Make bodies of parallel loops functions over a range";
  let description = [{
    The first dimension of each outermost `scf.parallel` that is worth it (its
    extent is dynamic, or it has the attribute `llmc.parallel`) becomes a private
    function (begin, end, captured values), called with `llmc.parallel`. Views
    and constants that the body captures are cloned into it, so that only raw
    memory, static memrefs and numbers cross. All other parallel loops become
    sequential ones. A module pass, since it adds functions.

    ```mlir
    func.func @f(%n: index, %value: f32, %y: memref<4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      scf.parallel (%i) = (%c0) to (%n) step (%c1) {
        memref.store %value, %y[%i] : memref<4xf32>
        scf.reduce
      }
      return
    }
    // becomes
    func.func private @f_body(%begin: index, %end: index, %value: f32, %y: memref<4xf32>) attributes {llmc.kernel} {
      scf.for %item = %begin to %end step %c1 {
        %i = arith.addi ... : index
        memref.store %value, %y[%i] : memref<4xf32>
      }
      return
    }
    func.func @f(%n: index, %v: f32, %z: memref<4xf32>) {
      %items = arith.ceildivsi ... : index
      call @f_body(%zero, %items, %v, %z) {llmc.parallel} : (index, index, f32, memref<4xf32>) -> ()
    ```
  }];
  let dependentDialects = ["mlir::scf::SCFDialect", "mlir::func::FuncDialect",
                           "mlir::LLVM::LLVMDialect"];
}

def KeepRowOrder : Pass<"llmc-keep-row-order", "mlir::func::FuncOp"> {
  let summary = "Sum every row in the same order";
  let description = [{
    Reductions may be reassociated, so that they can be vectorized. Left to
    itself, LLVM unrolls a short reduction and then vectorizes the loop over rows
    around it: rows that fill a vector are summed column by column, the rest as
    trees, and a single row is straight code with an order of its own. The bits
    of a row would depend on the rows beside it. So loops that hold loops are not
    vectorized, and loops that carry a sum are not unrolled.

    ```mlir
    func.func @sums(%x: memref<8x16xf32>, %y: memref<8xf32>, %rows: index, %zero: f32) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c16 = arith.constant 16 : index
      scf.for %r = %c0 to %rows step %c1 {
        %s = scf.for %k = %c0 to %c16 step %c1 iter_args(%a = %zero) -> (f32) {
          %v = memref.load %x[%r, %k] : memref<8x16xf32>
          %b = arith.addf %a, %v fastmath<reassoc> : f32
          scf.yield %b : f32
        }
        memref.store %s, %y[%r] : memref<8xf32>
      }
      return
    }
    // becomes
    #loop_unroll = #llvm.loop_unroll<disable = true>
    #loop_vectorize = #llvm.loop_vectorize<disable = true>
    #loop_annotation = #llvm.loop_annotation<unroll = #loop_unroll>
    #loop_annotation1 = #llvm.loop_annotation<vectorize = #loop_vectorize>
    ...
          scf.yield ...
        } {llvm.loop_annotation = #loop_annotation}
        memref.store ...
      } {llvm.loop_annotation = #loop_annotation1}
    ```
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

def EmitEntries : Pass<"llmc-emit-entries", "mlir::ModuleOp"> {
  let summary = "Describe each entry's arguments and compute its shapes";
  let description = [{
    For each public function E writes `llmc.signature` (where each argument comes
    from: a symbol, a buffer, weights, arena, ctx), and the functions
    `llmc_shape_E` and `llmc_arena_E` of the binary contract
    (llmc/Runtime/abi.h). A function with `llmc.variant_of` is a special case of
    another entry for the symbol values in `llmc.when`; it gets no functions of
    its own.

    ```mlir
    func.func private @f_arena_size(%n: index) -> index {
      %size = arith.constant 4096 : index
      return %size : index
    }
    func.func @f(%n: index {nn.symbol = "n"}, %x: memref<1099511627776xi8> {nn.dims = ["n"], nn.name = "x"}) {
      return
    }
    // becomes
    func.func @llmc_shape_f(%symbols: memref<1xi64>, %extents: memref<4294967296xi64>) ... {
      %n = memref.load %symbols[%c0] : memref<1xi64>
      memref.store ...
      return
    func.func @llmc_arena_f(%symbols: memref<1xi64>) -> i64 ... {
      %size = call @f_arena_size(...) : (index) -> index
      return ...
    func.func @f(...) attributes {llmc.signature = ["symbol:0", "buffer:0"], ...} {
      return
    }
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::memref::MemRefDialect",
                           "mlir::func::FuncDialect", "mlir::LLVM::LLVMDialect"];
}

def EmitReplay : Pass<"llmc-emit-replay", "mlir::ModuleOp"> {
  let summary = "Copy what a step computes with weights, and nothing else";
  let description = [{
    Of each special case of an entry (`llmc.variant_of`) a copy is made that
    keeps only products with weight matrices (calls marked `llmc.product`) and
    what their addresses are computed from. It gets two arguments, `part` and
    `parts`, and does that part of every product, divided as the threads of the
    runtime divide it. Called on all parts at once it does the work of a step
    with its weights without a join, a norm, a quantization of activations or
    attention in between, over whatever is in memory. What a step takes longer
    than that is no matter of these kernels (`llmc bench`). Functions that the
    copy calls are copied likewise. A module pass, since it adds functions.

    ```mlir
    func.func private @body(%begin: index, %end: index, %x: memref<4xf32>) attributes {llmc.kernel} {
      return
    }
    func.func @f_one(%x: memref<4xf32>, %v: f32) attributes {llmc.signature = ["buffer:0", "buffer:1"], llmc.variant_of = "f", llmc.when = array<i64: 0, 1>} {
      %c0 = arith.constant 0 : index
      %c9 = arith.constant 9 : index
      memref.store %v, %x[%c0] : memref<4xf32>
      call @body(%c0, %c9, %x) {llmc.parallel, llmc.product} : (index, index, memref<4xf32>) -> ()
      return
    }
    // adds
    func.func @f_one_replay(%x: memref<4xf32>, %v: f32, %part: index, %parts: index) attributes {llmc.replay_of = "f", llmc.signature = ["buffer:0", "buffer:1", "part", "parts"]} {
      %share = arith.divui %c9, %parts : index
      call @body(%begin, %end, %x) : (index, index, memref<4xf32>) -> ()
      return
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::func::FuncDialect",
                           "mlir::scf::SCFDialect"];
}

def ExpandMath : Pass<"llmc-expand-math", "mlir::func::FuncOp"> {
  let summary = "Replace mathematical functions by polynomials";
  let description = [{
    exp, log, tanh, erf, sin, cos and their kin of 32-bit floats become
    polynomials (upstream's, from Cephes), so that loops over them can be
    vectorized; powers become exp and log or multiplications. What has no
    polynomial is left and becomes a call of the C library.

    ```mlir
    %0 = math.exp %x : f32
    // becomes, at the end of a polynomial
    %1 = math.fma ... : f32
    %2 = arith.mulf ... : f32
    ```
  }];
  let dependentDialects = ["mlir::arith::ArithDialect", "mlir::math::MathDialect",
                           "mlir::vector::VectorDialect"];
}

def ConvertToLLVM : Pass<"llmc-convert-to-llvm", "mlir::ModuleOp"> {
  let summary = "Convert everything that is left to the LLVM dialect, in one go";
  let description = [{
    All upstream conversion patterns in one pass with the bare-pointer
    convention: several separate passes take three times as long.

    ```mlir
    func.func @f(%x: memref<4xf32>, %i: index, %value: f32) {
      memref.store %value, %x[%i] : memref<4xf32>
      return
    }
    // becomes
    llvm.func @f(%x: !llvm.ptr, %i: i64, %value: f32) {
      llvm.store %value, ... : f32, !llvm.ptr
      llvm.return
    ```
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

def EmitDispatch : Pass<"llmc-emit-dispatch", "mlir::ModuleOp"> {
  let summary = "Turn parallel calls and entries into the binary contract";
  let description = [{
    In the LLVM dialect: calls marked `llmc.parallel` become calls of the
    context's `parallel_for` with a closure, and each function with
    `llmc.signature` gets its `llmc_run_E`, which unpacks symbols and buffers and
    chooses among variants, or, with `llmc.replay_of`, its `llmc_replay_E`.

    ```mlir
    llvm.func @f(%n: i64, %x: !llvm.ptr) attributes {llmc.signature = ["symbol:0", "buffer:0"]} {
      llvm.return
    }
    // adds
    llvm.func @llmc_run_f(%ctx: !llvm.ptr, %symbols: !llvm.ptr, %buffers: !llvm.ptr, %weights: !llvm.ptr, %arena: !llvm.ptr) {
      %0 = llvm.getelementptr %symbols[0] : (!llvm.ptr) -> !llvm.ptr, i64
      %n = llvm.load %0 : !llvm.ptr -> i64
      %1 = llvm.getelementptr %buffers[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %x = llvm.load %1 : !llvm.ptr -> !llvm.ptr
      llvm.call @f(%n, %x) : (i64, !llvm.ptr) -> ()
    ```
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
}

#endif // LLMC_PASSES_CODEGENPASSES
