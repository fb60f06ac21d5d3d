//===- NewProject.cpp - The beginning of a plugin -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/NewProject.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace llmc;
namespace fs = llvm::sys::fs;

namespace {
/// A file of plugins/template: its path begins with the kind and the language,
/// "method-c/", or with "common/" where it is part of all of them.
struct Template {
  StringLiteral path, text;
};
} // namespace

static constexpr Template kTemplates[] = {
#include "Templates.inc"
};

/// What stands for the name, in paths and texts.
static constexpr StringLiteral kPlace = "@NAME@";
static constexpr StringLiteral kCommon = "common";
/// The first that there is, is what a kind is written in unless one is named.
static constexpr StringLiteral kLanguages[] = {"c", "cpp", "rust"};

static StringRef getFolder(const Template &file) {
  return file.path.split('/').first;
}

static bool isThere(StringRef folder) {
  return any_of(kTemplates, [&](const Template &file) {
    return getFolder(file) == folder;
  });
}

/// "method in c, cpp, rust; format in c".
static std::string listTemplates() {
  SmallVector<std::pair<StringRef, std::string>> kinds;
  for (const Template &file : kTemplates) {
    auto [kind, language] = getFolder(file).rsplit('-');
    if (kind == kCommon)
      continue;
    if (kinds.empty() || kinds.back().first != kind)
      kinds.emplace_back(kind, language);
    else if (!is_contained(split(kinds.back().second, ", "), language))
      kinds.back().second += (", " + language).str();
  }
  std::string text;
  for (const auto &[kind, languages] : kinds)
    text += (text.empty() ? "" : "; ") + kind.str() + " in " + languages;
  return text;
}

static Expected<std::string> findTemplate(StringRef kind, StringRef language) {
  for (StringRef each : kLanguages) {
    std::string folder = (kind + "-" + each).str();
    if ((language.empty() || language == each) && isThere(folder))
      return folder;
  }
  return createStringError("there is no project of kind '" + kind + "'" +
                           (language.empty() ? "" : " in '" + language + "'") +
                           ", but " + listTemplates());
}

static std::string fillIn(StringRef text, StringRef name) {
  SmallVector<StringRef> parts;
  text.split(parts, kPlace);
  return join(parts, name);
}

static bool isWord(StringRef name) {
  return !name.empty() && name.size() <= 32 && isLower(name[0]) &&
         name != "llmc" && all_of(name, [](char c) {
           return isLower(c) || isDigit(c) || c == '_';
         });
}

static std::error_code writeFile(StringRef path, StringRef text) {
  if (std::error_code code =
          fs::create_directories(sys::path::parent_path(path)))
    return code;
  std::error_code code;
  raw_fd_ostream out(path, code, fs::CD_CreateNew);
  if (code)
    return code;
  out << text;
  out.close();
  code = out.error();
  out.clear_error();
  return code;
}

Expected<std::vector<std::string>>
llmc::writeProject(StringRef path, StringRef kind, StringRef language) {
  StringRef name = sys::path::filename(path);
  if (!isWord(name))
    return createStringError("expected a name of 1 to 32 of a-z, 0-9 and _, a "
                             "letter first, and not llmc, but got '" +
                             name + "'");
  auto folder = findTemplate(kind, language);
  if (!folder)
    return folder.takeError();
  // Refuses what is there: a folder is made new or not at all.
  if (std::error_code code =
          fs::create_directory(path, /*IgnoreExisting=*/false))
    return createStringError("cannot make the folder '" + path +
                             "': " + code.message());
  std::vector<std::string> files;
  for (StringRef part : {StringRef(*folder), StringRef(kCommon)})
    for (const Template &file : kTemplates) {
      if (getFolder(file) != part)
        continue;
      SmallString<128> target(path);
      sys::path::append(target, fillIn(file.path.split('/').second, name));
      if (std::error_code code = writeFile(target, fillIn(file.text, name)))
        return createStringError("cannot write '" + target +
                                 "': " + code.message());
      files.push_back(target.str().str());
    }
  return files;
}
