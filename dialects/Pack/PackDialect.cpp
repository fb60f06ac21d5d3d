//===- PackDialect.cpp - The packed type and the dense format -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Formats/Layout.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace llmc::pack;

#include "llmc/Dialect/Pack/PackDialect.cpp.inc"
#include "llmc/Dialect/Pack/PackInterfaces.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "llmc/Dialect/Pack/PackAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "llmc/Dialect/Pack/PackTypes.cpp.inc"

void PackDialect::initialize() {
  registerAttributesAndTypes();
  registerOps();
}

void PackDialect::registerAttributesAndTypes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "llmc/Dialect/Pack/PackAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "llmc/Dialect/Pack/PackTypes.cpp.inc"
      >();
}

LogicalResult DenseAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                Type storage) {
  if (storage.isF32() || storage.isBF16() || storage.isF16())
    return success();
  return emitError() << "expected a storage type of f32, bf16 or f16 but got "
                     << storage;
}

Type DenseAttr::getComputeType() const {
  return Float32Type::get(getContext());
}

std::optional<int64_t> DenseAttr::getPackedBytes(int64_t rows, int64_t columns,
                                                 int64_t blockRows) const {
  if (rows < 0 || columns < 0 || blockRows < 1)
    return std::nullopt;
  int64_t padded, elements, bytes, rounded;
  if (llvm::AddOverflow(rows, blockRows - 1, padded))
    return std::nullopt;
  padded = padded / blockRows * blockRows;
  int64_t width = getStorage().getIntOrFloatBitWidth() / 8;
  if (llvm::MulOverflow(padded, columns, elements) ||
      llvm::MulOverflow(elements, width, bytes) ||
      llvm::AddOverflow(bytes, int64_t(63), rounded))
    return std::nullopt;
  return rounded & ~int64_t(63);
}

LogicalResult
QuantizedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                      StringRef name, DictionaryAttr definition) {
  auto format = parseDefinition(name, definition);
  if (!format) // [C1] [C3]
    return emitError() << llvm::toString(format.takeError());
  if (format->isDense()) // [C2]
    return emitError() << "expected #pack.dense for the format '" << name
                       << "'";
  return success();
}

Type QuantizedAttr::getComputeType() const {
  return Float32Type::get(getContext());
}

std::optional<int64_t> QuantizedAttr::getPackedBytes(int64_t rows,
                                                     int64_t columns,
                                                     int64_t blockRows) const {
  auto layout =
      llmc::PackedLayout::create(getFormat(*this), rows, columns, blockRows);
  if (layout)
    return layout->bytes;
  llvm::consumeError(layout.takeError());
  return std::nullopt;
}

LogicalResult MethodAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef, StringRef format,
                                 DictionaryAttr settings,
                                 DictionaryAttr definition) {
  if (auto parsed = parseDefinition(format, definition); !parsed) // [C1]
    return emitError() << llvm::toString(parsed.takeError());
  if (settings)
    for (NamedAttribute setting : settings)
      if (!isa<StringAttr>(setting.getValue())) // [C2]
        return emitError() << "expected text for the setting '"
                           << setting.getName().getValue() << "' but got "
                           << setting.getValue();
  return success();
}

llvm::SmallVector<std::pair<StringRef, StringRef>>
llmc::pack::getSettings(MethodAttr method) {
  llvm::SmallVector<std::pair<StringRef, StringRef>> settings;
  if (method.getSettings())
    for (NamedAttribute setting : method.getSettings())
      settings.emplace_back(setting.getName().getValue(),
                            cast<StringAttr>(setting.getValue()).getValue());
  return settings;
}

/// Blocks wider than this would not fit the registers of any target.
static constexpr int64_t kMaxBlockRows = 256;

LogicalResult RowsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t count) {
  if (count >= 1 && count <= kMaxBlockRows && llvm::isPowerOf2_64(count))
    return success();
  return emitError() << "expected a power of two of at most " << kMaxBlockRows
                     << " rows per block but got " << count;
}

LogicalResult
llmc::pack::TensorType::verify(function_ref<InFlightDiagnostic()> emitError,
                               int64_t rows, int64_t columns,
                               PackedFormat format, RowsAttr layout) {
  if (rows < 1 || columns < 1)
    return emitError() << "expected one row and column or more but got " << rows
                       << "x" << columns;
  if (!format.getPackedBytes(rows, columns, layout.getCount()))
    return emitError() << "expected a size that fits 64 bits, in blocks that "
                          "the format allows, but got "
                       << rows << "x" << columns << " in blocks of "
                       << layout.getCount();
  return success();
}

int64_t llmc::pack::TensorType::getBytes() const {
  return *getFormat().getPackedBytes(getRows(), getColumns(),
                                     getLayout().getCount());
}

bool llmc::pack::TensorType::isQuantized() const {
  return isa<QuantizedAttr>(Attribute(getFormat()));
}

Type llmc::pack::TensorType::parse(AsmParser &parser) {
  SmallVector<int64_t, 2> shape;
  Attribute format, layout;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false,
                                /*withTrailingX=*/false) ||
      parser.parseComma() || parser.parseAttribute(format) ||
      parser.parseComma() || parser.parseAttribute(layout) ||
      parser.parseGreater())
    return {};
  auto packed = dyn_cast<PackedFormat>(format);
  auto rows = dyn_cast<RowsAttr>(layout);
  if (shape.size() != 2 || !packed || !rows) {
    parser.emitError(loc, "expected two extents, a packed format and a layout");
    return {};
  }
  return parser.getChecked<llmc::pack::TensorType>(
      loc, parser.getContext(), shape[0], shape[1], packed, rows);
}

void llmc::pack::TensorType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getColumns() << ", " << getFormat()
          << ", " << getLayout() << ">";
}
