//===- PackFormats.h - Formats as attributes -------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_DIALECT_PACK_PACKFORMATS_H
#define LLMC_DIALECT_PACK_PACKFORMATS_H

#include "llmc/Dialect/Pack/PackOps.h"
#include "llmc/Formats/Format.h"

namespace llmc::pack {

/// What attributes have beside the name of a format: null for those of llmc.
mlir::DictionaryAttr buildDefinition(mlir::MLIRContext *context,
                                     const FormatDescription &format);

/// The format of llmc of that name, or the one of the definition, if there is one.
llvm::Expected<FormatDescription>
parseDefinition(llvm::StringRef name, mlir::DictionaryAttr definition);

/// The format of an attribute, which is verified.
FormatDescription getFormat(QuantizedAttr format);
FormatDescription getFormat(MethodAttr method);

/// The type of a matrix of a format, in tiles of `tileRows`, as text of IR.
std::string printTensorType(const FormatDescription &format, int64_t rows,
                            int64_t columns, int64_t tileRows);

} // namespace llmc::pack

#endif // LLMC_DIALECT_PACK_PACKFORMATS_H
