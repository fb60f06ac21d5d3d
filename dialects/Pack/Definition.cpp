//===- Definition.cpp - Formats of plugins as attributes ------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Dialect/Pack/PackFormats.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace llmc;
using namespace llmc::pack;

static constexpr StringLiteral kBits = "bits", kGroup = "group",
                               kTerms = "terms", kMinimum = "minimum",
                               kLevels = "levels", kScale = "scale",
                               kFunction = "function", kHadamard = "hadamard",
                               kRank = "rank", kWeights = "weights",
                               kSparse = "sparse", kPermuted = "permuted";

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static DictionaryAttr buildTerm(Builder &builder, const Term &term,
                                unsigned count) {
  SmallVector<int8_t> levels;
  for (unsigned code = 0; code < count; ++code)
    levels.push_back(static_cast<int8_t>(term.levels.get(code)));
  NamedAttrList entries;
  entries.set(kLevels, builder.getDenseI8ArrayAttr(levels));
  entries.set(kScale, builder.getStringAttr(getChainName(term.scale)));
  if (!term.levels.function.empty())
    entries.set(kFunction, builder.getStringAttr(term.levels.function));
  return entries.getDictionary(builder.getContext());
}

DictionaryAttr llmc::pack::buildDefinition(MLIRContext *context,
                                           const FormatDescription &format) {
  if (!format.fromPlugin)
    return {};
  Builder builder(context);
  SmallVector<Attribute> terms;
  for (const Term &term : format.terms)
    terms.push_back(buildTerm(builder, term, format.getLevelCount()));
  NamedAttrList entries;
  entries.set(kBits, builder.getI64IntegerAttr(format.indexBits));
  entries.set(kGroup, builder.getI64IntegerAttr(format.groupSize));
  entries.set(kTerms, builder.getArrayAttr(terms));
  if (format.hasMinimum)
    entries.set(kMinimum,
                builder.getStringAttr(getMinimumName(format.minimum)));
  if (format.hadamard)
    entries.set(kHadamard, builder.getI64IntegerAttr(format.hadamard));
  if (format.permuted)
    entries.set(kPermuted, builder.getUnitAttr());
  if (format.isVector())
    entries.set(kWeights, builder.getI64IntegerAttr(format.weightsPerIndex));
  if (format.rank)
    entries.set(kRank, builder.getI64IntegerAttr(format.rank));
  if (format.sparse)
    entries.set(kSparse, builder.getI64IntegerAttr(format.sparse));
  return entries.getDictionary(context);
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace {

/// Takes entries out of a dictionary, and says what is wrong with the first that
/// is.
class EntryReader {
public:
  EntryReader(DictionaryAttr from, StringRef owner)
      : from(from), owner(owner) {}

  template <typename T> T take(StringRef key, StringRef what) {
    ++taken;
    auto value = from.getAs<T>(key);
    if (!value && message.empty())
      message = ("expected " + what + " '" + key + "' in " + owner).str();
    return value;
  }
  bool has(StringRef key) const { return from.contains(key); }
  llvm::Error finish() {
    if (message.empty() && from.size() != taken)
      message = ("expected " + Twine(taken) + " entries in " + owner +
                 " but got " + Twine(from.size()))
                    .str();
    if (message.empty())
      return llvm::Error::success();
    return llvm::createStringError(message);
  }

private:
  DictionaryAttr from;
  StringRef owner;
  size_t taken = 0;
  std::string message;
};

} // namespace

static llvm::Expected<Term> parseTerm(Attribute from,
                                      const FormatDescription &format) {
  auto entries = dyn_cast<DictionaryAttr>(from);
  if (!entries)
    return llvm::createStringError("expected a dictionary for each term");
  EntryReader reader(entries, "a term");
  auto levels = reader.take<DenseI8ArrayAttr>(kLevels, "an array of i8");
  auto scale = reader.take<StringAttr>(kScale, "the name of a chain as");
  auto function = reader.has(kFunction)
                      ? reader.take<StringAttr>(kFunction, "text as")
                      : StringAttr();
  if (llvm::Error error = reader.finish())
    return std::move(error);
  int64_t count = format.getLevelCount();
  if (levels.size() != count)
    return llvm::createStringError("expected " + Twine(count) +
                                   " levels but got " + Twine(levels.size()));
  Term term;
  term.levels = Levels::make(levels.asArrayRef(), format.isVector());
  if (function)
    term.levels.function = function.str();
  if (!parseChain(scale, term.scale))
    return llvm::createStringError("expected the name of a chain but got '" +
                                   scale.getValue() + "'");
  return term;
}

static llvm::Error parseInto(FormatDescription &format,
                             DictionaryAttr definition) {
  EntryReader reader(definition, "a definition");
  auto bits = reader.take<IntegerAttr>(kBits, "a number as");
  auto group = reader.take<IntegerAttr>(kGroup, "a number as");
  auto terms = reader.take<ArrayAttr>(kTerms, "an array as");
  format.hasMinimum = reader.has(kMinimum);
  auto minimum =
      format.hasMinimum
          ? reader.take<StringAttr>(kMinimum, "the name of a chain as")
          : StringAttr();
  auto hadamard = reader.has(kHadamard)
                      ? reader.take<IntegerAttr>(kHadamard, "a number as")
                      : IntegerAttr();
  format.permuted = reader.has(kPermuted);
  if (format.permuted)
    reader.take<UnitAttr>(kPermuted, "a unit as");
  auto rank = reader.has(kRank) ? reader.take<IntegerAttr>(kRank, "a number as")
                                : IntegerAttr();
  auto weights = reader.has(kWeights)
                     ? reader.take<IntegerAttr>(kWeights, "a number as")
                     : IntegerAttr();
  auto sparse = reader.has(kSparse)
                    ? reader.take<IntegerAttr>(kSparse, "a number as")
                    : IntegerAttr();
  if (llvm::Error error = reader.finish())
    return error;
  // Before so many levels are asked for; `verify` knows better.
  if (!bits.getType().isInteger(64) || !group.getType().isInteger(64) ||
      bits.getInt() < 1 || bits.getInt() > 8)
    return llvm::createStringError(
        "expected 1 to 8 bits and a group, numbers of i64");
  format.indexBits = static_cast<unsigned>(bits.getInt());
  format.groupSize = group.getInt();
  if (weights && (!weights.getType().isInteger(64) || weights.getInt() < 2 ||
                  weights.getInt() > 8))
    return llvm::createStringError(
        "expected 'weights' of 2, 4 or 8, a number of i64");
  if (weights)
    format.weightsPerIndex = static_cast<unsigned>(weights.getInt());
  if (hadamard && !hadamard.getType().isInteger(64))
    return llvm::createStringError("expected 'hadamard' as a number of i64");
  if (hadamard)
    format.hadamard = hadamard.getInt();
  if (rank && !rank.getType().isInteger(64))
    return llvm::createStringError("expected a rank of i64");
  format.rank = rank ? rank.getInt() : 0;
  if (sparse && !sparse.getType().isInteger(64))
    return llvm::createStringError("expected 'sparse' as a number of i64");
  format.sparse = sparse ? sparse.getInt() : 0;
  for (Attribute each : terms) {
    auto term = parseTerm(each, format);
    if (!term)
      return term.takeError();
    format.terms.push_back(std::move(*term));
  }
  if (minimum && !parseMinimum(minimum, format.minimum))
    return llvm::createStringError(
        "expected the name of a minimum's chain, like mf16, but got '" +
        minimum.getValue() + "'");
  return verify(format);
}

llvm::Expected<FormatDescription>
llmc::pack::parseDefinition(StringRef name, DictionaryAttr definition) {
  if (!definition)
    return parseFormat(name);
  FormatDescription format;
  format.name = name.str();
  format.fromPlugin = true;
  if (name.empty() || !name.contains('.'))
    return llvm::createStringError(
        "expected a name with that of the plugin's vendor before a definition "
        "but got '" +
        name + "'");
  if (llvm::Error error = parseInto(format, definition))
    return llvm::createStringError("format '" + name +
                                   "': " + llvm::toString(std::move(error)));
  return format;
}

FormatDescription llmc::pack::getFormat(QuantizedAttr format) {
  return llvm::cantFail(
      parseDefinition(format.getName(), format.getDefinition()));
}

FormatDescription llmc::pack::getFormat(MethodAttr method) {
  return llvm::cantFail(
      parseDefinition(method.getFormat(), method.getDefinition()));
}

std::string llmc::pack::printTensorType(const FormatDescription &format,
                                        int64_t rows, int64_t columns,
                                        int64_t tileRows) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<PackDialect>();
  std::string text;
  llvm::raw_string_ostream(text) << pack::TensorType::get(
      &context, rows, columns,
      QuantizedAttr::get(&context, format.name,
                         buildDefinition(&context, format)),
      RowsAttr::get(&context, tileRows));
  return text;
}
