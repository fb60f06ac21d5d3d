//===- PackBase.td - The pack dialect, its type and formats ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A packed tensor is a matrix whose bytes are already in the order and the
// precision in which a kernel reads them. Its type carries both: a format says
// what the values are, a layout in which order they lie. The bytes themselves
// are outside the IR, as those of every weight.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_PACK_PACKBASE
#define LLMC_DIALECT_PACK_PACKBASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Pack_Dialect : Dialect {
  let name = "pack";
  let cppNamespace = "::llmc::pack";
  let summary = "Packed matrices and the ops that read them";
  let description = [{
    Formats implement the interface `PackedFormat`. The operand of type
    `!pack.tensor` comes from `nn.get`, so that a packed weight is a symbol with
    a source like every other.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    /// The attribute of an `nn.weight` that is to be compressed: #pack.method.
    static constexpr llvm::StringLiteral kMethod = "pack.method";
    /// What the inputs of products with an `nn.weight` are, as the attribute
    /// `activations` of `pack.linear`.
    static constexpr llvm::StringLiteral kActivations = "pack.activations";
    /// What there is to say about how an `nn.weight` is compressed, as text.
    static constexpr llvm::StringLiteral kNote = "pack.note";
    /// Why an `nn.weight` is not compressed, as text.
    static constexpr llvm::StringLiteral kKept = "pack.kept";

    void registerAttributesAndTypes();
    void registerOps();
  }];
}

def Pack_PackedFormat : AttrInterface<"PackedFormat"> {
  let cppNamespace = "::llmc::pack";
  let description = "What the values of a packed tensor are, and how many bytes they take.";
  let methods = [
    InterfaceMethod<"The element type in which kernels compute and gathers answer.",
                    "::mlir::Type", "getComputeType">,
    InterfaceMethod<[{
      Bytes of a packed matrix, a multiple of 64; empty where they do not fit
      64 signed bits. `blockRows` is the number of rows of a block.
    }], "std::optional<int64_t>", "getPackedBytes",
        (ins "int64_t":$rows, "int64_t":$columns, "int64_t":$blockRows)>
  ];
}

class Pack_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<Pack_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

def Pack_DenseAttr : Pack_Attr<"Dense", "dense",
    [DeclareAttrInterfaceMethods<Pack_PackedFormat>]> {
  let summary = "Every value as a floating point number: f32, bf16 or f16";
  let description = [{
    Example: `#pack.dense<bf16>`. Kernels compute in f32.

    [C1] the storage is f32, bf16 or f16
  }];
  let parameters = (ins "::mlir::Type":$storage);
  let assemblyFormat = "`<` $storage `>`";
  let genVerifyDecl = 1;
}

def Pack_QuantizedAttr : Pack_Attr<"Quantized", "quantized",
    [DeclareAttrInterfaceMethods<Pack_PackedFormat>]> {
  let summary = "Codes of a few bits, and scales of groups";
  let description = [{
    The format of that name (llmc/Formats/Format.h), stored in the order of
    llmc/Formats/Layout.h. Kernels multiply it with an input in signed bytes.
    Example: `#pack.quantized<"u4g32.f16">`.

    The format of a plugin has its definition beside the name, so that IR is
    understood without the plugin: bits of a code, columns of a group (0: the whole
    row), one to three terms, the chain of the minimum, the columns of a block of its
    Hadamard transform, whether columns have an order of their own (`permuted`), the
    rank of what is added, the weights of a code that stands for several, and the
    weights of 1,000 that have a number of their own (`sparse`), if there are such.
    Example: `#pack.quantized<"acme.twog32", {bits = 1 : i64, group = 32 : i64,
    terms = [{levels = array<i8: -1, 1>, scale = "f16"} ]}>`.

    [C1] the name is that of a format of llmc, or there is a definition
    [C2] the format is not a dense one: that is `#pack.dense`
    [C3] a definition has these entries and no others, and its parts fit together
  }];
  let parameters = (ins StringRefParameter<>:$name,
                    OptionalParameter<"::mlir::DictionaryAttr">:$definition);
  let assemblyFormat = "`<` $name (`,` $definition^)? `>`";
  let genVerifyDecl = 1;
}

def Pack_MethodAttr : Pack_Attr<"Method", "method"> {
  let summary = "How a weight is compressed when it is written";
  let description = [{
    Stands as `pack.method` on an `nn.weight`. The format is that of a
    `#pack.quantized`, with its `definition` where it is a plugin's, or the storage
    of a `#pack.dense`; `settings` are options of the method
    (llmc/Methods/Method.h), as text. The method `keep` takes the codes of a weight
    that comes compressed.
    Example: `#pack.method<"sinq", "u4g64.f16", {quantizer = "mse"}>`.

    [C1] the format is f32, bf16, f16, or one that `#pack.quantized` would take
    [C2] the settings are text
  }];
  let parameters = (ins StringRefParameter<>:$name, StringRefParameter<>:$format,
                    OptionalParameter<"::mlir::DictionaryAttr">:$settings,
                    OptionalParameter<"::mlir::DictionaryAttr">:$definition);
  let assemblyFormat = [{
    `<` $name `,` $format (`,` $settings^)? (`as` $definition^)? `>`
  }];
  let genVerifyDecl = 1;
}

def Pack_RowsAttr : Pack_Attr<"Rows", "rows"> {
  let summary = "Blocks of rows, column by column";
  let description = [{
    With N rows per block: `[ceil(rows / N)][columns][N]`. The rows that pad the
    last block hold zeros. Of a quantized format, N rows are a tile.

    [C1] N is a power of two of at most 256
  }];
  let parameters = (ins "int64_t":$count);
  let assemblyFormat = "`<` $count `>`";
  let genVerifyDecl = 1;
}

def Pack_TensorType : TypeDef<Pack_Dialect, "Tensor"> {
  let mnemonic = "tensor";
  let summary = "A packed matrix";
  let description = [{
    Example: `!pack.tensor<172x64, #pack.dense<f32>, #pack.rows<32>>`.

    [C1] there are one row and one column at least
    [C2] the size fits 64 bits
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns,
                    "::llmc::pack::PackedFormat":$format, "::llmc::pack::RowsAttr":$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Bytes of the packed matrix.
    int64_t getBytes() const;
    /// Whether the format is `#pack.quantized`.
    bool isQuantized() const;
  }];
}

#endif // LLMC_DIALECT_PACK_PACKBASE
