//===- Inspect.h - What is asked of a file before it is loaded -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_INSPECT_H
#define LLMC_LIB_PLUGIN_INSPECT_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

namespace llmc {

using ElfFile = llvm::object::ELFFile<llvm::object::ELF64LE>;

/// Calls `visit` with the symbols of a table and their names, until it fails.
llvm::Error
forEachSymbol(const ElfFile &elf, const ElfFile::Elf_Shdr &table,
              llvm::function_ref<llvm::Error(const ElfFile::Elf_Sym &symbol,
                                             llvm::StringRef name)>
                  visit);

/// Calls `visit` with the texts of a dynamic section: of DT_NEEDED, DT_RPATH and
/// DT_RUNPATH.
llvm::Error forEachDynamicText(
    const ElfFile &elf, const ElfFile::Elf_Shdr &section,
    llvm::function_ref<llvm::Error(int64_t tag, llvm::StringRef text)> visit);

/// The bytes of a file that may be a plugin. Errors do not name it.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
readPlugin(llvm::StringRef path);

/// Compares the bytes of a section with the fingerprint of this llmc. An error
/// is a table of what differs, of several lines, and says what to do.
llvm::Error compareFingerprint(llvm::StringRef section);

/// Looks at a file that exports llmc_cxx_plugin: its fingerprint, and that there
/// will be one MLIR and one LLVM in the process. What was linked in and then
/// stripped cannot be seen.
llvm::Error inspectCxxPlugin(const ElfFile &elf);

} // namespace llmc

#endif // LLMC_LIB_PLUGIN_INSPECT_H
