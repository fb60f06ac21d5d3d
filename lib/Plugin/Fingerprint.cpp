//===- Fingerprint.cpp - Compares fingerprints field by field -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Fingerprint.h"
#include "Inspect.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>

using namespace llvm;
using namespace llmc;

/// Far above what fingerprints will ever be.
static constexpr size_t kLargest = 4096;

namespace {
struct Field {
  StringRef name, value;
};
using Fields = SmallVector<Field>;
} // namespace

/// Foreign text for messages.
static std::string show(StringRef text) {
  std::string result;
  raw_string_ostream out(result);
  printEscapedString(text.take_front(40), out);
  out << (text.size() > 40 ? "..." : "");
  return result;
}

static const Field *findField(const Fields &fields, StringRef name) {
  const Field *found =
      find_if(fields, [&](const Field &field) { return field.name == name; });
  return found == fields.end() ? nullptr : found;
}

static Expected<Fields> parse(StringRef section) {
  auto wrong = [](const Twine &what) {
    return createStringError("section " LLMC_FINGERPRINT_SECTION ": expected " +
                             what);
  };
  if (section.empty() || section.size() > kLargest)
    return wrong("1 to " + Twine(kLargest) + " bytes but got " +
                 Twine(section.size()));
  if (section.find('\0') != section.size() - 1)
    return wrong("one text with a zero at its end; LLMC_CXX_PLUGIN stands in "
                 "one file of a plugin, once");
  StringRef text = section.drop_back();
  Fields fields;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    auto [name, value] = line.split('=');
    if (name.empty() || value.empty() || line.end() == text.end())
      return wrong("lines 'field=value' but got '" + show(line) + "'");
    if (findField(fields, name))
      return wrong("each field once but got '" + show(name) + "' twice");
    fields.push_back({name, value});
    text = rest;
  }
  return fields;
}

Error llmc::compareFingerprint(StringRef section) {
  auto theirs = parse(section);
  if (!theirs)
    return theirs.takeError();
  static constexpr char kOwn[] = LLMC_FINGERPRINT;
  auto ours = parse(StringRef(kOwn, sizeof(kOwn)));
  if (!ours)
    return ours.takeError();
  struct Row {
    std::string field, plugin, llmc;
  };
  std::vector<Row> rows{{"field", "this plugin", "this llmc"}};
  for (const Field &field : *ours) {
    const Field *other = findField(*theirs, field.name);
    if (!other || other->value != field.value)
      rows.push_back({field.name.str(), other ? show(other->value) : "none",
                      field.value.str()});
  }
  for (const Field &field : *theirs)
    if (!findField(*ours, field.name))
      rows.push_back({show(field.name), show(field.value), "none"});
  if (rows.size() == 1)
    return Error::success();
  size_t first = 0, second = 0;
  for (const Row &row : rows) {
    first = std::max(first, row.field.size());
    second = std::max(second, row.plugin.size());
  }
  std::string text = "it was built for another llmc, and C++ works with the "
                     "very one it was built for\n";
  for (const Row &row : rows)
    text += "  " + row.field + std::string(first + 2 - row.field.size(), ' ') +
            row.plugin + std::string(second + 2 - row.plugin.size(), ' ') +
            row.llmc + "\n";
  return createStringError(
      text + "build it again from an empty folder: cmake -S SOURCES -B BUILD "
             "-DCMAKE_PREFIX_PATH=PREFIX, with the folder that this llmc is "
             "installed in as PREFIX; llmc_add_cxx_plugin sets all of these");
}
