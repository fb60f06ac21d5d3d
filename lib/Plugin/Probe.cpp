//===- Probe.cpp - Is this file a plugin? ---------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The loader of the system believes what a file says of itself: a library that
// was cut short is mapped and fails with a signal where its code is used. So the
// places that its headers name are compared with the length of the file before.
//
//===----------------------------------------------------------------------===//
#include "Inspect.h"
#include "llmc/Plugin/PluginSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/ELF.h"

using namespace llvm;
using namespace llmc;

static constexpr StringLiteral kEntry = "llmc_plugin_v1",
                               kCxxEntry = "llmc_cxx_plugin";

#if defined(__x86_64__)
static constexpr unsigned kMachine = ELF::EM_X86_64;
#elif defined(__aarch64__)
static constexpr unsigned kMachine = ELF::EM_AARCH64;
#else
#error "expected a machine whose plugins are known"
#endif

static std::string nameMachine(unsigned machine) {
  StringRef name = ELF::convertEMachineToArchName(machine);
  return name == "None" ? "machine " + std::to_string(machine) : name.str();
}

static Error checkIdentity(StringRef bytes) {
  if (!bytes.starts_with(StringRef(ELF::ElfMagic, 4)))
    return createStringError(
        "expected a shared library of ELF but got a file that begins with '" +
        toHex(bytes.take_front(4)) + "' (hex)");
  if (bytes.size() < sizeof(ElfFile::Elf_Ehdr))
    return createStringError(
        "expected a header of " + Twine(sizeof(ElfFile::Elf_Ehdr)) +
        " bytes but the file ends after " + Twine(bytes.size()));
  if (bytes[ELF::EI_CLASS] != ELF::ELFCLASS64 ||
      bytes[ELF::EI_DATA] != ELF::ELFDATA2LSB)
    return createStringError(
        "expected ELF of 64 bits, the least byte first, but got class " +
        Twine(static_cast<int>(bytes[ELF::EI_CLASS])) + ", order " +
        Twine(static_cast<int>(bytes[ELF::EI_DATA])));
  return Error::success();
}

static Error checkInside(const Twine &what, uint64_t offset, uint64_t size,
                         uint64_t length) {
  if (offset <= length && size <= length - offset)
    return Error::success();
  return createStringError("the file is cut short: " + what + " of " +
                           Twine(size) + " bytes begins at " + Twine(offset) +
                           ", but the file ends at " + Twine(length));
}

Error llmc::probePlugin(StringRef bytes, PluginEntries *found) {
  if (Error error = checkIdentity(bytes))
    return error;
  auto elf = ElfFile::create(bytes);
  if (!elf)
    return elf.takeError();
  const ElfFile::Elf_Ehdr &header = elf->getHeader();
  if (header.e_machine != kMachine)
    return createStringError("expected a library for " + nameMachine(kMachine) +
                             " but got one for " +
                             nameMachine(header.e_machine));
  if (header.e_type != ELF::ET_DYN)
    return createStringError("expected a shared library but got ELF of type " +
                             Twine(header.e_type));
  // The headers, then what they name.
  if (Error error = checkInside(
          "the table of segments", header.e_phoff,
          uint64_t(header.e_phnum) * sizeof(ElfFile::Elf_Phdr), bytes.size()))
    return error;
  if (Error error = checkInside(
          "the table of sections", header.e_shoff,
          uint64_t(header.e_shnum) * sizeof(ElfFile::Elf_Shdr), bytes.size()))
    return error;
  auto segments = elf->program_headers();
  if (!segments)
    return segments.takeError();
  for (const ElfFile::Elf_Phdr &segment : *segments)
    if (Error error = checkInside("a segment", segment.p_offset,
                                  segment.p_filesz, bytes.size()))
      return error;
  auto sections = elf->sections();
  if (!sections)
    return sections.takeError();
  PluginEntries entries;
  auto findEntry = [&](const ElfFile::Elf_Sym &symbol, StringRef name) {
    if (symbol.st_shndx == ELF::SHN_UNDEF) {
      entries.sanitizers.address |= name == "__asan_init";
      entries.sanitizers.thread |= name == "__tsan_init";
      entries.sanitizers.undefined |= name.starts_with("__ubsan_handle_");
    }
    if (symbol.getType() == ELF::STT_FUNC &&
        symbol.st_shndx != ELF::SHN_UNDEF &&
        symbol.getBinding() != ELF::STB_LOCAL &&
        symbol.getVisibility() == ELF::STV_DEFAULT) {
      entries.table |= name == kEntry;
      entries.cxx |= name == kCxxEntry;
    }
    return Error::success();
  };
  for (const ElfFile::Elf_Shdr &section : *sections) {
    if (section.sh_type == ELF::SHT_NOBITS)
      continue;
    if (Error error = checkInside("a section", section.sh_offset,
                                  section.sh_size, bytes.size()))
      return error;
    if (section.sh_type != ELF::SHT_DYNSYM)
      continue;
    if (Error error = forEachSymbol(*elf, section, findEntry))
      return error;
  }
  if (found)
    *found = entries;
  if (entries.cxx)
    return inspectCxxPlugin(*elf);
  if (entries.table)
    return Error::success();
  return createStringError("it exports no function '" + kEntry +
                           "'; LLMC_PLUGIN_EXPORT of llmc/Plugin/plugin.h "
                           "declares one");
}
