//===- FormatNames.cpp - Names of formats ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One grammar for all names (Format.h): a name is read from left to right, and
// the canonical name is written from the description, so that both agree.
//
//===----------------------------------------------------------------------===//
#include "llmc/Formats/Format.h"
#include "llmc/Support/Nearest.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace llmc;

static constexpr int64_t kDefaultGroup = 32;
/// No model has rows this long; it keeps products far from overflow.
static constexpr int64_t kLargestGroup = 1 << 30;

static constexpr std::pair<StringLiteral, RealType> kReals[] = {
    {"f32", RealType::F32}, {"f16", RealType::F16}, {"bf16", RealType::BF16}};

static constexpr std::pair<StringLiteral, ScaleCode> kCodes[] = {
    {"u4", ScaleCode::U4},     {"u6", ScaleCode::U6},
    {"u8", ScaleCode::U8},     {"i8", ScaleCode::I8},
    {"e8m0", ScaleCode::E8M0}, {"ue4m3", ScaleCode::UE4M3}};

/// Levels that are a table. SL4 is NL4 in integers of six bits, whose products fit
/// sums of sixteen bits in pairs: levels of the least squared error, among such
/// integers, of normal numbers in groups of 32 under their best scale. NL3 is for three bits what NL4 is for four: levels
/// of the least squared error of normal numbers (Lloyd's steps) in groups of 32
/// under their best scale, of either sign. NF4 and NF3, quantiles of a normal
/// distribution, are rounded to 127ths. E2M1, numbers of a sign, two bits of
/// exponent and one of mantissa (OCP Microscaling Formats 1.0, section 5.3.3),
/// is doubled to have integers; code 8, its negative zero, is read as 0 and not
/// made.
struct LevelTable {
  StringLiteral name;
  unsigned bits;
  int8_t levels[16];
};
static constexpr LevelTable kTables[] = {
    {"nl4",
     4,
     {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89,
      113}},
    {"nf4",
     4,
     {-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127}},
    {"sl4",
     4,
     {-32, -25, -20, -16, -12, -8, -5, -2, 0, 3, 6, 9, 13, 17, 22, 29}},
    {"nl3", 3, {-127, -78, -46, -19, 6, 31, 60, 100}},
    {"nf3", 3, {-127, -68, -31, 0, 23, 49, 79, 127}},
    {"e2m1", 4, {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}},
    // Code 3 is not made, and read as 0.
    {"t2", 2, {-1, 0, 1, 0}},
};

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

static Error unknown(StringRef name, const Twine &why) {
  // Short names and some long ones; a name that nearly is one of them is meant.
  SmallVector<StringRef> known{"f32",   "bf16",   "f16",   "i4g32", "u4g32",
                               "i4g64", "u4g64",  "i8g32", "u3g32", "i3g32",
                               "u2g32", "nf4g64", "nf3g64"};
  for (const auto &alias : kAliases)
    known.push_back(alias.first);
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

/// A whole chain; false if `text` is none.
static bool parseChain(StringRef text, ScaleChain &chain) {
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

/// The minimum of a group lies below 0, so a chain without signs is subtracted.
static ScaleChain asMinimum(ScaleChain chain) {
  chain.negated = chain.code != ScaleCode::None && chain.code != ScaleCode::I8;
  return chain;
}

/// `u4`, `i4`, `nf4`: false if `text` begins with no levels.
static bool takeLevels(StringRef &text, FormatDescription &format) {
  Term &term = format.terms.emplace_back();
  for (const LevelTable &table : kTables)
    if (text.consume_front(table.name)) {
      format.indexBits = table.bits;
      term.levels.table.assign(table.levels, table.levels + (1 << table.bits));
      return true;
    }
  bool isSigned = text.starts_with("i");
  if (text.size() < 2 || (!isSigned && !text.starts_with("u")) ||
      !isDigit(text[1]))
    return false;
  unsigned bits = text[1] - '0';
  if (bits < (isSigned ? 2 : 1) || bits == 7 || bits > 8)
    return false;
  text = text.drop_front(2);
  format.indexBits = bits;
  format.hasMinimum = !isSigned;
  // Levels have eight bits with a sign.
  term.levels.offset = isSigned || bits == 8 ? -(1 << (bits - 1)) : 0;
  return true;
}

Expected<FormatDescription> llmc::parseFormat(StringRef name) {
  FormatDescription format;
  format.name = name.str();
  for (const auto &[text, real] : kReals)
    if (name == text) {
      format.dense = real;
      format.indexBits = 8 * getRealBytes(real);
      return format;
    }
  StringRef text = name;
  for (const auto &[alias, meaning] : kAliases)
    if (name == alias)
      text = meaning;

  if (!takeLevels(text, format))
    return unknown(name,
                   "expected levels u1 to u6, u8, i2 to i6, i8, nl4, sl4, nl3, "
                   "nf4, nf3, e2m1 or t2, or the name of a format");
  format.groupSize = kDefaultGroup;
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
  auto badChain = [&](StringRef part) {
    return unknown(name, "expected a scale chain like f16, f32r-u8, f16b-u6 or "
                         "e8m0 but got '" +
                             part + "'");
  };
  ScaleChain &scale = format.terms[0].scale;
  StringRef minimum;
  if (text.consume_front(".")) {
    auto [first, second] = text.split('.');
    if ((first.starts_with("m") || first.starts_with("z")) && second.empty())
      second = first;
    else if (!parseChain(first, scale))
      return badChain(first);
    minimum = second;
  }
  if (format.hasMinimum)
    format.minimum = asMinimum(scale);
  if (!minimum.empty()) {
    ScaleChain chain;
    StringRef rest = minimum.drop_front();
    if (minimum.starts_with("z")) {
      auto code = takeName<ScaleCode>(rest, kCodes);
      if (!code || !rest.empty())
        return unknown(name, "expected zero points like zu4 or zi8 but got '" +
                                 minimum + "'");
      format.minimum = {RealType::None, RealSpan::Group, *code,
                        /*negated=*/true, /*ofScale=*/true};
    } else if (minimum.starts_with("m") && parseChain(rest, chain)) {
      format.minimum = asMinimum(chain);
    } else {
      return badChain(minimum);
    }
    format.hasMinimum = true;
  }
  if (Error error = verify(format))
    return unknown(name, toString(std::move(error)));
  return format;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string getChainName(const ScaleChain &chain) {
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

std::string llmc::getCanonicalName(const FormatDescription &format) {
  for (const auto &[text, real] : kReals)
    if (format.dense == real)
      return text.str();
  if (format.terms.size() != 1)
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
    for (const LevelTable &table : kTables)
      if (levels.table == ArrayRef(table.levels, 1 << table.bits))
        name = table.name.str();
    if (name.empty())
      return format.name;
  }
  name += format.groupSize ? "g" + std::to_string(format.groupSize) : "row";
  bool ownMinimum = format.hasMinimum &&
                    (!unsignedLevels || format.minimum != asMinimum(scale));
  if (scale != ScaleChain() || ownMinimum)
    name += "." + getChainName(scale);
  if (ownMinimum)
    name +=
        (format.minimum.ofScale ? ".z" : ".m") + getChainName(format.minimum);
  return name;
}
