//===- FormatSet.h - Formats by name ---------------------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which names of formats there are. A set is passed on, from the plugins to the
// recipes; whoever has got a description from it needs the set no more, and IR
// carries the description of a plugin's format beside its name.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_FORMATS_FORMATSET_H
#define LLMC_FORMATS_FORMATSET_H

#include "llmc/Formats/Format.h"
#include "llmc/Plugin/plugin.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <vector>

namespace llmc {

/// What an llmc_format_definition says, checked and copied: levels by name, and
/// the group and the chains that a name has where it does not say them.
struct FormatFamily {
  std::string name, summary;
  FormatDescription defaults;
  /// The file of the plugin; empty for those of llmc.
  std::string plugin;
};

/// Runs the function of an llmc_term for every code of `bits` bits. Needs MLIR,
/// so whoever loads plugins brings it.
using LevelsRunner =
    llvm::function_ref<llvm::Expected<llvm::SmallVector<int8_t>>(
        llvm::StringRef function, unsigned bits)>;

/// Formats by name.
class FormatSet {
public:
  /// Dense formats alone.
  FormatSet() = default;
  /// Those of llmc (parseFormat).
  static const FormatSet &getBuiltin();

  /// Adds the formats of a table, all or none. Refuses one that does not keep
  /// what plugin.h says, and names that may be read in two ways. `file` is that
  /// of the plugin; where it is empty, the formats are those of llmc, without a
  /// vendor in their names. Errors name the member of the table.
  /// Without a runner, functions are refused.
  llvm::Error add(const llmc_plugin &plugin, llvm::StringRef file,
                  LevelsRunner run = nullptr);

  /// The format of a name (see parseFormat).
  llvm::Expected<FormatDescription> parse(llvm::StringRef name) const;

  llvm::ArrayRef<FormatFamily> getFamilies() const { return families; }

private:
  /// The family whose name `text` begins with, so that what is left can be a
  /// group and chains; that is then in `text`. Null if there is none.
  const FormatFamily *takeFamily(llvm::StringRef &text) const;
  /// That a name of a plugin's format is read as that format.
  llvm::Error checkRead(const llvm::Twine &what, llvm::StringRef name) const;
  llvm::Error unknown(llvm::StringRef name, const llvm::Twine &why) const;
  /// The one name of a plugin's format that says all, beginning with the family.
  static std::string getLongName(const FormatFamily &family,
                                 const FormatDescription &format);

  std::vector<FormatFamily> families;
};

/// The table of the formats of llmc.
const llmc_plugin &getBuiltinFormats();

} // namespace llmc

#endif // LLMC_FORMATS_FORMATSET_H
