//===- FormatNames.cpp - Names of formats ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One grammar for all names (Format.h): a name is read from left to right, and
// the canonical name is written from the description, so that both agree.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/FormatSet.h"
#include "llmc/Formats/Hadamard.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace llmc;

/// No model has rows this long; it keeps products far from overflow.
static constexpr int64_t kLargestGroup = 1 << 30;

static constexpr std::pair<StringLiteral, RealType> kReals[] = {
    {"f32", RealType::F32}, {"f16", RealType::F16}, {"bf16", RealType::BF16}};

static constexpr std::pair<StringLiteral, ScaleCode> kCodes[] = {
    {"u4", ScaleCode::U4},     {"u6", ScaleCode::U6},
    {"u8", ScaleCode::U8},     {"i8", ScaleCode::I8},
    {"e8m0", ScaleCode::E8M0}, {"ue4m3", ScaleCode::UE4M3}};

static constexpr std::pair<StringLiteral, StringLiteral> kAliases[] = {
    {"q4_0", "i4g32"},         {"q4_1", "u4g32"},
    {"q5_0", "i5g32"},         {"q5_1", "u5g32"},
    {"q8_0", "i8g32"},         {"iq4_nl", "nl4g32"},
    {"q4_k", "u4g32.f16b-u6"}, {"q5_k", "u5g32.f16b-u6"},
    {"q6_k", "i6g16.f16b-i8"}, {"nl4", "nl4g32.f32r-i8"},
    {"sl4", "sl4g32.f32r-i8"}, {"nl3", "nl3g32.f32r-i8"},
    {"mxfp4", "e2m1g32.e8m0"}, {"ternary", "t2g32"}};

ArrayRef<std::pair<StringLiteral, StringLiteral>> llmc::getFormatAliases() {
  return kAliases;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

Error FormatSet::unknown(StringRef name, const Twine &why) const {
  // Short names and some long ones; a name that nearly is one of them is meant.
  SmallVector<StringRef> known{"f32",   "bf16",   "f16",   "i4g32", "u4g32",
                               "i4g64", "u4g64",  "i8g32", "u3g32", "i3g32",
                               "u2g32", "nf4g64", "nf3g64"};
  for (const auto &alias : kAliases)
    known.push_back(alias.first);
  for (const FormatFamily &family : families)
    if (!family.plugin.empty())
      known.push_back(family.name);
  StringRef nearest = findNearest(name, known);
  std::string hint = nearest.empty() || nearest == name
                         ? ""
                         : (" (did you mean '" + nearest + "'?)").str();
  return createStringError("format '" + name + "': " + why + hint);
}

/// Removes the longest name of the table that `text` begins with.
template <typename T>
static std::optional<T> takeName(StringRef &text,
                                 ArrayRef<std::pair<StringLiteral, T>> names) {
  const std::pair<StringLiteral, T> *found = nullptr;
  for (const auto &entry : names)
    if (text.starts_with(entry.first) &&
        (!found || entry.first.size() > found->first.size()))
      found = &entry;
  if (!found)
    return std::nullopt;
  text = text.drop_front(found->first.size());
  return found->second;
}

bool llmc::parseChain(StringRef text, ScaleChain &chain) {
  chain = ScaleChain();
  if (auto real = takeName<RealType>(text, kReals)) {
    chain.real = *real;
    if (text.empty())
      return true;
    if (text.consume_front("r-"))
      chain.span = RealSpan::Row;
    else if (text.consume_front("b-"))
      chain.span = RealSpan::Block;
    else
      return false;
  } else {
    chain.real = RealType::None;
  }
  auto code = takeName<ScaleCode>(text, kCodes);
  if (!code || !text.empty())
    return false;
  chain.code = *code;
  return chain.real != RealType::None || *code == ScaleCode::E8M0 ||
         *code == ScaleCode::UE4M3;
}

ScaleChain llmc::asMinimum(ScaleChain chain) {
  chain.negated = chain.code != ScaleCode::None && chain.code != ScaleCode::I8;
  return chain;
}

bool llmc::parseMinimum(StringRef text, ScaleChain &chain) {
  if (text.consume_front("z")) {
    auto code = takeName<ScaleCode>(text, kCodes);
    chain = {RealType::None, RealSpan::Group, code.value_or(ScaleCode::None),
             /*negated=*/true, /*ofScale=*/true};
    return code && text.empty();
  }
  if (!text.consume_front("m") || !parseChain(text, chain))
    return false;
  chain = asMinimum(chain);
  return true;
}

/// Takes ".h" and a number off the end of a name; false if they are not there.
static bool takeHadamard(StringRef &name, int64_t &columns) {
  auto [front, last] = name.rsplit('.');
  if (!last.consume_front("h") || last.getAsInteger(10, columns))
    return false;
  name = front;
  return true;
}

/// Takes `mark` and a number off the end of a name; false if they are not there.
/// A number that is none of 1 to `most` is -1.
static bool takeSide(StringRef &name, StringRef mark, int64_t most,
                     int64_t &number) {
  auto [front, digits] = name.rsplit(mark);
  if (digits.empty() || !all_of(digits, isDigit))
    return false;
  if (digits.getAsInteger(10, number) || number < 1 || number > most)
    number = -1;
  name = front;
  return true;
}

Expected<FormatDescription> FormatSet::parse(StringRef name) const {
  FormatDescription format;
  format.name = name.str();
  StringRef text = name;
  int64_t hadamard = 0, rank = 0, sparse = 0;
  bool transformed = false, permuted = false, adds = false;
  // In any order, so that more than one can be named as such.
  auto takeTransforms = [&] {
    bool found = true;
    while (found) {
      found = false;
      if (!transformed)
        found = transformed = takeHadamard(text, hadamard);
      if (!permuted && text.consume_back(".p"))
        found = permuted = true;
    }
  };
  takeTransforms();
  for (StringRef before = text;
       (rank == 0 && takeSide(text, ".lr", kMaxRank, rank)) ||
       (sparse == 0 && takeSide(text, ".sp", kMaxSparse, sparse));
       before = text) {
    adds = true;
    if (rank < 0)
      return unknown(name, "expected a rank of 1 to " + Twine(kMaxRank) +
                               " after '.lr' but got '" +
                               before.rsplit(".lr").second + "'");
    if (sparse < 0)
      return unknown(name, "expected 1 to " + Twine(kMaxSparse) +
                               " of 1,000 weights after '.sp' but got '" +
                               before.rsplit(".sp").second + "'");
    takeTransforms();
  }
  if (transformed && !isHadamardSize(hadamard))
    return unknown(name, "expected a Hadamard transform of 16, 32, 64, 128 or "
                         "256 columns after '.h'");
  for (const auto &[dense, real] : kReals)
    if (text == dense) {
      if (adds)
        return unknown(name, "a dense format has no error to add; expected "
                             "codes before '.lr' or '.sp'");
      format.dense = real;
      format.indexBits = 8 * getRealBytes(real);
      format.hadamard = hadamard;
      format.permuted = permuted;
      if (Error error = verify(format))
        return unknown(name, toString(std::move(error)));
      return format;
    }
  for (const auto &[alias, meaning] : kAliases)
    if (text == alias) {
      text = meaning;
      break;
    }

  const FormatFamily *family = takeFamily(text);
  if (!family)
    return unknown(name,
                   "expected levels u1 to u6, u8, i2 to i6, i8, nl4, sl4, nl3, "
                   "nf4, nf3, e2m1, t2, v4b8 or v2b6, or the name of a "
                   "format" +
                       Twine(name.contains('.')
                                 ? "; --plugin FILE loads those of a plugin"
                                 : ""));
  format = family->defaults;
  format.name = name.str();
  if (transformed)
    format.hadamard = hadamard;
  if (text.consume_front("row")) {
    format.groupSize = 0;
  } else if (text.consume_front("g")) {
    if (text.consumeInteger(10, format.groupSize) || format.groupSize <= 0 ||
        format.groupSize % 16 != 0 || format.groupSize > kLargestGroup)
      return unknown(name,
                     "expected a group of a multiple of 16 columns after 'g'");
  }
  if (!text.empty() && !text.starts_with("."))
    return unknown(name, "expected 'g' and a group, 'row' or '.' and a scale "
                         "chain but got '" +
                             text + "'");
  if (!text.empty() && format.terms.size() > 1)
    return unknown(name, "expected no chains behind the name of a format of "
                         "several terms but got '" +
                             text + "'");
  auto badChain = [&](StringRef part) {
    return unknown(name, "expected a scale chain like f16, f32r-u8, f16b-u6 or "
                         "e8m0 but got '" +
                             part + "'");
  };
  StringRef minimum;
  if (text.consume_front(".")) {
    auto [first, second] = text.split('.');
    minimum = second;
    if ((first.starts_with("m") || first.starts_with("z")) && second.empty()) {
      minimum = first;
    } else {
      if (!parseChain(first, format.terms[0].scale))
        return badChain(first);
      if (format.hasMinimum)
        format.minimum = asMinimum(format.terms[0].scale);
    }
  }
  if (!minimum.empty()) {
    if (!parseMinimum(minimum, format.minimum)) {
      if (minimum.starts_with("z"))
        return unknown(name, "expected zero points like zu4 or zi8 but got '" +
                                 minimum + "'");
      return badChain(minimum);
    }
    format.hasMinimum = true;
  }
  format.permuted = permuted;
  format.rank = rank;
  format.sparse = sparse;
  if (Error error = verify(format))
    return unknown(name, toString(std::move(error)));
  if (format.fromPlugin)
    format.name = getLongName(*family, format);
  return format;
}

Expected<FormatDescription> llmc::parseFormat(StringRef name) {
  return FormatSet::getBuiltin().parse(name);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

std::string llmc::getChainName(const ScaleChain &chain) {
  std::string name;
  for (const auto &[text, real] : kReals)
    if (chain.real == real)
      name += text;
  if (chain.span != RealSpan::Group)
    name += chain.span == RealSpan::Row ? "r-" : "b-";
  for (const auto &[text, code] : kCodes)
    if (chain.code == code)
      name += text;
  return name;
}

std::string llmc::getMinimumName(const ScaleChain &chain) {
  return (chain.ofScale ? "z" : "m") + getChainName(chain);
}

static std::string getGroupName(const FormatDescription &format) {
  return format.groupSize ? "g" + std::to_string(format.groupSize) : "row";
}

std::string llmc::getHadamardName(int64_t hadamard) {
  return hadamard ? ".h" + std::to_string(hadamard) : "";
}

/// What a name ends with.
static std::string getEndOfName(const FormatDescription &format) {
  return getHadamardName(format.hadamard) + (format.permuted ? ".p" : "") +
         (format.rank ? ".lr" + std::to_string(format.rank) : "") +
         (format.sparse ? ".sp" + std::to_string(format.sparse) : "");
}

std::string FormatSet::getLongName(const FormatFamily &family,
                                   const FormatDescription &format) {
  std::string name = family.name + getGroupName(format);
  const FormatDescription &usual = family.defaults;
  const ScaleChain &scale = format.terms[0].scale;
  bool sameMinimum = format.hasMinimum == usual.hasMinimum &&
                     (!format.hasMinimum || format.minimum == usual.minimum);
  if (scale == usual.terms[0].scale && sameMinimum)
    return name + getEndOfName(format);
  name += "." + getChainName(scale);
  if (format.hasMinimum &&
      (!usual.hasMinimum || format.minimum != asMinimum(scale)))
    name += "." + getMinimumName(format.minimum);
  return name + getEndOfName(format);
}

/// The family of llmc with these levels; empty if there is none.
static StringRef findLevels(const Levels &levels) {
  for (const FormatFamily &family : FormatSet::getBuiltin().getFamilies())
    if (family.defaults.terms[0].levels.table == levels.table)
      return family.name;
  return "";
}

std::string llmc::getCanonicalName(const FormatDescription &format) {
  for (const auto &[text, real] : kReals)
    if (format.dense == real)
      return text.str();
  if (format.fromPlugin || format.terms.size() != 1)
    return format.name;
  const Levels &levels = format.terms[0].levels;
  const ScaleChain &scale = format.terms[0].scale;
  std::string name;
  bool unsignedLevels = false;
  if (levels.table.empty()) {
    unsignedLevels =
        format.hasMinimum && (levels.offset == 0 || format.indexBits == 8);
    name = (unsignedLevels ? "u" : "i") + std::to_string(format.indexBits);
  } else {
    name = findLevels(levels).str();
    if (name.empty())
      return format.name;
  }
  name += getGroupName(format);
  bool ownMinimum = format.hasMinimum &&
                    (!unsignedLevels || format.minimum != asMinimum(scale));
  if (scale != ScaleChain() || ownMinimum)
    name += "." + getChainName(scale);
  if (ownMinimum)
    name += "." + getMinimumName(format.minimum);
  return name + getEndOfName(format);
}
