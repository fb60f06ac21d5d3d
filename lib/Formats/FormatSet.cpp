//===- FormatSet.cpp - Formats of tables ----------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/FormatSet.h"
#include "llmc/Formats/TableReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cstddef>

using namespace llvm;
using namespace llmc;

static constexpr size_t kMostFormats = 256, kLongestFunction = 8192;
/// The LLMC_PLUGIN_ABI that first had formats of vectors.
static constexpr uint32_t kSinceVectors = 4;

/// How a chain of the table is stored; null pointers are checked by the caller.
static Expected<ScaleChain> readChain(const Twine &what, const llmc_chain &from,
                                      bool isMinimum) {
  if (Error error = checkSize(what, from.size, sizeof(llmc_chain)))
    return std::move(error);
  auto checkNumber = [&](StringRef member, uint32_t number, uint32_t most) {
    return number <= most
               ? Error::success()
               : createStringError(what + "." + member + ": expected 0 to " +
                                   Twine(most) + " but got " + Twine(number));
  };
  for (auto [member, number, most] :
       {std::tuple("real", from.real, uint32_t(LLMC_REAL_BF16)),
        std::tuple("span", from.span, uint32_t(LLMC_SPAN_ROW)),
        std::tuple("code", from.code, uint32_t(LLMC_SCALE_UE4M3))})
    if (Error error = checkNumber(member, number, most))
      return std::move(error);
  static constexpr RealSpan spans[] = {RealSpan::Group, RealSpan::Block,
                                       RealSpan::Row};
  ScaleChain chain{static_cast<RealType>(from.real), spans[from.span],
                   static_cast<ScaleCode>(from.code)};
  ScaleChain again;
  if (!parseChain(getChainName(chain), again) || again != chain)
    return createStringError(what + ": expected a real for each group, a code "
                                    "of E8M0 or UE4M3 for each group, or a "
                                    "real and a code for each group");
  if (isMinimum)
    chain = asMinimum(chain);
  if (chain.negated != (from.negated != 0))
    return createStringError(
        what + ".negated: expected " + Twine(int(chain.negated)) +
        (isMinimum ? ", as the code has " +
                         Twine(chain.negated ? "no sign" : "a sign or is none")
                   : Twine(" of a scale")) +
        ", but got " + Twine(from.negated));
  return chain;
}

/// The text of a term's function, and what it says for every code.
static Expected<SmallVector<int8_t>>
readFunction(const Twine &what, const llmc_term &from, unsigned bits,
             LevelsRunner run, std::string &function) {
  auto text = readText(what, from.function, kLongestFunction, /*lines=*/true);
  if (!text)
    return text.takeError();
  if (!run)
    return createStringError(what + ": it cannot be read here");
  auto levels = run(*text, bits);
  if (!levels)
    return createStringError(what + ": " + toString(levels.takeError()));
  function = std::move(*text);
  return levels;
}

static Expected<Levels> readLevels(const Twine &what, const llmc_term &from,
                                   unsigned bits, unsigned weights,
                                   LevelsRunner run) {
  size_t count = (size_t(1) << bits) * weights;
  if (weights > 1 && (!from.levels || from.function))
    return createStringError(what + ".levels: expected a table of " +
                             Twine(count) +
                             " levels, and no function, as codes stand for " +
                             Twine(weights) + " weights");
  if (!from.levels && !from.function)
    return createStringError(what + ".levels: expected " + Twine(count) +
                             " levels, or a function, but got null pointers");
  if (from.lowest < -128 || from.highest > 127 || from.lowest > from.highest)
    return createStringError(
        what + ".lowest: expected a range inside -128 to 127 but got " +
        Twine(from.lowest) + " to " + Twine(from.highest));
  SmallVector<int8_t> levels;
  std::string function;
  if (from.levels)
    levels.assign(from.levels, from.levels + count);
  if (from.function) {
    auto computed = readFunction(what + ".function", from, bits, run, function);
    if (!computed)
      return computed.takeError();
    for (size_t code = 0; code < levels.size(); ++code)
      if (levels[code] != (*computed)[code])
        return createStringError(what +
                                 ".function: expected the levels of the "
                                 "table, such as " +
                                 Twine(int(levels[code])) + " for code " +
                                 Twine(code) + ", but got " +
                                 Twine(int((*computed)[code])));
    levels = std::move(*computed);
  }
  for (auto [code, level] : enumerate(levels))
    if (level < from.lowest || level > from.highest)
      return createStringError(
          what + ".levels: expected levels from " + Twine(from.lowest) +
          " to " + Twine(from.highest) + ", as the table says, but got " +
          Twine(int(level)) + " for code " + Twine(code / weights));
  Levels result = Levels::make(levels, weights > 1);
  result.function = std::move(function);
  return result;
}

static Expected<Term> readTerm(const Twine &what, const llmc_term &from,
                               unsigned bits, unsigned weights,
                               LevelsRunner run) {
  Term term;
  auto levels = readLevels(what, from, bits, weights, run);
  if (!levels)
    return levels.takeError();
  term.levels = std::move(*levels);
  if (!from.scale)
    return createStringError(what + ".scale: expected a chain but got a null "
                                    "pointer");
  auto scale = readChain(what + ".scale", *from.scale, /*isMinimum=*/false);
  if (!scale)
    return scale.takeError();
  term.scale = *scale;
  return term;
}

static Expected<FormatFamily> readFamily(const Twine &what,
                                         const llmc_format_definition &from,
                                         StringRef vendor, LevelsRunner run) {
  FormatFamily family;
  auto name = readName(what + ".name", from.name, vendor);
  if (!name)
    return name.takeError();
  family.name = std::move(*name);
  auto summary = readText(what + ".summary", from.summary);
  if (!summary)
    return summary.takeError();
  family.summary = std::move(*summary);
  FormatDescription &format = family.defaults;
  format.name = family.name;
  format.fromPlugin = !vendor.empty();
  if (from.bits < 1 || from.bits > 8 || from.bits == 7)
    return createStringError(what + ".bits: expected 1 to 6, or 8, but got " +
                             Twine(from.bits));
  format.indexBits = from.bits;
  format.groupSize = from.group;
  if (LLMC_PLUGIN_HAS(&from, reserved_too)) {
    if (from.weights > 1 && from.weights != 2 && from.weights != 4 &&
        from.weights != 8)
      return createStringError(what +
                               ".weights: expected 0, 1, 2, 4 or 8 but "
                               "got " +
                               Twine(from.weights));
    if (from.reserved_too != 0)
      return createStringError(what + ".reserved_too: expected 0 but got " +
                               Twine(from.reserved_too));
    format.weightsPerIndex = std::max(from.weights, 1u);
    // Before so many levels are read.
    if (from.bits % format.weightsPerIndex != 0)
      return createStringError(what +
                               ".bits: expected a multiple of the weights of a "
                               "code, " +
                               Twine(from.weights) + ", but got " +
                               Twine(from.bits));
  }
  if (from.term_count < 1)
    return createStringError(what + ".term_count: expected at least 1 but got "
                                    "0");
  if (Error error =
          checkArray(what, "term", from.terms, from.term_count, kMaxTerms))
    return std::move(error);
  for (size_t i = 0; i < from.term_count; ++i) {
    std::string which = (what + ".terms[" + Twine(i) + "]").str();
    auto each = readElement(which, from.terms, i, sizeof(llmc_term));
    if (!each)
      return each.takeError();
    auto term = readTerm(which, **each, from.bits, format.weightsPerIndex, run);
    if (!term)
      return term.takeError();
    format.terms.push_back(std::move(*term));
  }
  if (from.minimum) {
    auto minimum = readChain(what + ".minimum", *from.minimum,
                             /*isMinimum=*/true);
    if (!minimum)
      return minimum.takeError();
    format.hasMinimum = true;
    format.minimum = *minimum;
  }
  if (LLMC_PLUGIN_HAS(&from, reserved)) {
    if (from.reserved != 0)
      return createStringError(what + ".reserved: expected 0 but got " +
                               Twine(from.reserved));
    format.hadamard = from.hadamard;
  }
  if (Error error = verify(format))
    return createStringError(what + ": " + toString(std::move(error)));
  return family;
}

/// Whether `text` may be a group and chains.
static bool isSuffix(StringRef text) {
  return text.empty() || text.starts_with(".") || text.starts_with("row") ||
         (text.size() > 1 && text[0] == 'g' && isDigit(text[1]));
}

const FormatFamily *FormatSet::takeFamily(StringRef &text) const {
  const FormatFamily *found = nullptr;
  for (bool whole : {true, false}) {
    for (const FormatFamily &family : families)
      if (text.starts_with(family.name) &&
          (!whole || isSuffix(text.drop_front(family.name.size()))) &&
          (!found || family.name.size() > found->name.size()))
        found = &family;
    if (found)
      break;
  }
  if (found)
    text = text.drop_front(found->name.size());
  return found;
}

/// Names like "vendor.h64" would say how another format is stored.
Error FormatSet::checkRead(const Twine &what, StringRef name) const {
  auto format = parse(name);
  if (format && format->fromPlugin)
    return Error::success();
  consumeError(format.takeError());
  auto [front, end] = name.rsplit('.');
  return createStringError(what + ".name: '" + name + "' is read as '" + front +
                           "' with '." + end + "' behind it, as in 'i4g32." +
                           end + "'; choose another name");
}

Error FormatSet::add(const llmc_plugin &plugin, StringRef file,
                     LevelsRunner run) {
  auto vendor = readVendor(plugin, file);
  if (!vendor)
    return vendor.takeError();
  if (!LLMC_PLUGIN_HAS(&plugin, format_count))
    return Error::success();
  if (Error error = checkArray("llmc_plugin", "format", plugin.formats,
                               plugin.format_count, kMostFormats))
    return error;
  std::vector<FormatFamily> all = families;
  for (size_t i = 0; i < plugin.format_count; ++i) {
    std::string what = "llmc_plugin.formats[" + std::to_string(i) + "]";
    auto each = readElement(what, plugin.formats, i,
                            offsetof(llmc_format_definition, hadamard));
    if (!each)
      return each.takeError();
    auto family = readFamily(what, **each, *vendor, run);
    if (!family)
      return family.takeError();
    // An older llmc would take vectors for single levels.
    if (family->defaults.isVector() && plugin.needs < kSinceVectors)
      return createStringError(
          "llmc_plugin.needs: expected at least " + Twine(kSinceVectors) +
          ", since " + what + " is of vectors, but got " + Twine(plugin.needs));
    for (const FormatFamily &other : all) {
      StringRef shorter = other.name, longer = family->name;
      if (shorter.size() > longer.size())
        std::swap(shorter, longer);
      StringRef rest = longer.drop_front(shorter.size());
      if (!longer.starts_with(shorter) || !isSuffix(rest))
        continue;
      return createStringError(
          what + ".name: " +
          (rest.empty() ? "there is another format '" + family->name + "'"
                        : ("'" + longer + "' may be read as '" + shorter +
                           "' with '" + rest + "' behind it")
                              .str()) +
          (other.plugin.empty() ? "" : ", of '" + other.plugin + "'"));
    }
    family->plugin = file.str();
    all.push_back(std::move(*family));
  }
  FormatSet grown;
  grown.families = std::move(all);
  for (size_t i = families.size();
       i < grown.families.size() && !vendor->empty(); ++i)
    if (Error error = grown.checkRead("llmc_plugin.formats[" +
                                          Twine(i - families.size()) + "]",
                                      grown.families[i].name))
      return error;
  families = std::move(grown.families);
  return Error::success();
}

const FormatSet &FormatSet::getBuiltin() {
  static const FormatSet set = [] {
    FormatSet formats;
    cantFail(formats.add(getBuiltinFormats(), ""));
    return formats;
  }();
  return set;
}
