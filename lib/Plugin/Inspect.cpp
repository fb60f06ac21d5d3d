//===- Inspect.cpp - Is a C++ plugin one for this llmc? -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One process has one libMLIR, one libLLVM and one libllmc: with a second one
// come second tables of passes and types, which know nothing of the first.
//
//===----------------------------------------------------------------------===//
#include "Inspect.h"
#include "llmc/Plugin/Fingerprint.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Demangle/Demangle.h"

using namespace llvm;
using namespace llmc;

/// Libraries by the beginning of their names, and those of this llmc.
static constexpr std::pair<StringLiteral, StringLiteral> kLibraries[] = {
    {"libMLIR", LLMC_MLIR_SONAME},
    {"libLLVM", LLMC_LLVM_SONAME},
    {"libllmc.", "libllmc.so"}};

/// Functions that come with any archive of MLIR or LLVM that a pass would use,
/// and that no header defines.
static constexpr StringLiteral kOfArchives[] = {
    "_ZN4mlir11MLIRContextD1Ev",
    "_ZN4mlir11MLIRContextD2Ev",
    "_ZN4mlir9Operation6createERKNS_14OperationStateE",
    "_ZN4mlir11PassManager3runEPNS_9OperationE",
    "_ZN4llvm4errsEv",
    "_ZN4llvm18report_fatal_errorEPKcb"};

Error llmc::forEachDynamicText(
    const ElfFile &elf, const ElfFile::Elf_Shdr &section,
    function_ref<Error(int64_t tag, StringRef text)> visit) {
  auto entries = elf.getSectionContentsAsArray<ElfFile::Elf_Dyn>(section);
  if (!entries)
    return entries.takeError();
  auto texts = elf.getLinkAsStrtab(section);
  if (!texts)
    return texts.takeError();
  for (const ElfFile::Elf_Dyn &entry : *entries) {
    int64_t tag = entry.getTag();
    if (tag != ELF::DT_NEEDED && tag != ELF::DT_RPATH && tag != ELF::DT_RUNPATH)
      continue;
    if (entry.getVal() >= texts->size())
      return createStringError("expected the names of libraries inside of "
                               "their table");
    if (Error error =
            visit(tag, texts->drop_front(entry.getVal()).split('\0').first))
      return error;
  }
  return Error::success();
}

static Error checkNeeded(int64_t tag, StringRef name) {
  if (tag != ELF::DT_NEEDED)
    return Error::success();
  for (const auto &[beginning, ours] : kLibraries)
    if (name.starts_with(beginning) && name != ours)
      return createStringError(
          "it needs '" + name.take_front(64) + "', but this llmc has '" + ours +
          "', and a process with both has two sets of passes and types; "
          "build it again with llmc_add_cxx_plugin, which links what llmc "
          "has");
  return Error::success();
}

Error llmc::forEachSymbol(
    const ElfFile &elf, const ElfFile::Elf_Shdr &table,
    function_ref<Error(const ElfFile::Elf_Sym &symbol, StringRef name)> visit) {
  auto symbols = elf.symbols(&table);
  if (!symbols)
    return symbols.takeError();
  auto names = elf.getStringTableForSymtab(table);
  if (!names)
    return names.takeError();
  for (const ElfFile::Elf_Sym &symbol : *symbols) {
    auto name = symbol.getName(*names);
    if (!name)
      return name.takeError();
    if (Error error = visit(symbol, *name))
      return error;
  }
  return Error::success();
}

static Error checkSymbol(const ElfFile::Elf_Sym &symbol, StringRef name) {
  if (symbol.st_shndx == ELF::SHN_UNDEF || !is_contained(kOfArchives, name))
    return Error::success();
  return createStringError(
      "it has MLIR or LLVM linked into it ('" + demangle(name) +
      "' is its own), so llmc would not find its passes; link no archive of "
      "them: llmc_add_cxx_plugin links the libraries that llmc has");
}

Error llmc::inspectCxxPlugin(const ElfFile &elf) {
  auto sections = elf.sections();
  if (!sections)
    return sections.takeError();
  // What differs is told before what follows from it.
  bool found = false;
  for (const ElfFile::Elf_Shdr &section : *sections) {
    auto name = elf.getSectionName(section);
    if (!name)
      return name.takeError();
    if (*name != LLMC_FINGERPRINT_SECTION)
      continue;
    if (section.sh_type != ELF::SHT_PROGBITS || found)
      return createStringError("expected one section " LLMC_FINGERPRINT_SECTION
                               " with bytes");
    found = true;
    auto bytes = elf.getSectionContents(section);
    if (!bytes)
      return bytes.takeError();
    if (Error error = compareFingerprint(toStringRef(*bytes)))
      return error;
  }
  if (!found)
    return createStringError(
        "it exports llmc_cxx_plugin but has no "
        "section " LLMC_FINGERPRINT_SECTION
        ", which says what it was built for; LLMC_CXX_PLUGIN of "
        "llmc/Plugin/CxxPlugin.h makes both, and stripping keeps it unless it "
        "is named");
  for (const ElfFile::Elf_Shdr &section : *sections) {
    if (section.sh_type == ELF::SHT_DYNAMIC)
      if (Error error = forEachDynamicText(elf, section, checkNeeded))
        return error;
    if (section.sh_type == ELF::SHT_SYMTAB ||
        section.sh_type == ELF::SHT_DYNSYM)
      if (Error error = forEachSymbol(elf, section, checkSymbol))
        return error;
  }
  return Error::success();
}
