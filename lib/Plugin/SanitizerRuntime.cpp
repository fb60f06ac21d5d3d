//===- SanitizerRuntime.cpp - Runtimes of sanitizers ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Code that a sanitizer instrumented needs its runtime in the process before
// anything is allocated, so a program that was built without has to begin again
// with the runtime in LD_PRELOAD. Clang links it into programs, not into
// libraries, unless -shared-libsan is given; then, as with gcc, the library names
// it among those that it needs.
//
//===----------------------------------------------------------------------===//
#include "Inspect.h"
#include "Sanitizers.h"
#include "llmc/Plugin/Check.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/personality.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
namespace fs = llvm::sys::fs;

namespace {
struct Runtime {
  bool Sanitizers::*flag;
  StringLiteral name;
  /// A symbol that tells that it is there.
  const char *symbol;
  /// In the name of the library: libclang_rt.WORD-ARCH.so, libclang_rt.WORD.so;
  /// the name of gcc's up to its number.
  StringLiteral clang, gcc;
  /// How it is told what to do, and what.
  const char *variable;
  StringLiteral options;
};
} // namespace

/// In this order: the first that a plugin needs has the others in it, or comes
/// before them. The libraries of LLVM are not instrumented, so what they mark in
/// memory that they share with the plugin is not to be relied on.
static constexpr Runtime kRuntimes[] = {
    {&Sanitizers::address, "AddressSanitizer", "__asan_init", "asan",
     "libasan.so.", "ASAN_OPTIONS",
     "allow_user_poisoning=0:detect_container_overflow=0:detect_leaks=1:"
     "leak_check_at_exit=0"},
    {&Sanitizers::thread, "ThreadSanitizer", "__tsan_init", "tsan",
     "libtsan.so.", "TSAN_OPTIONS", "exitcode=0:die_after_fork=0"},
    {&Sanitizers::undefined, "UndefinedBehaviorSanitizer",
     "__ubsan_handle_add_overflow", "ubsan_standalone", "libubsan.so.",
     "UBSAN_OPTIONS", "print_stacktrace=0"}};

static constexpr char kPreload[] = "LD_PRELOAD";

static const Runtime *findFirst(const Sanitizers &sanitizers) {
  for (const Runtime &runtime : kRuntimes)
    if (sanitizers.*runtime.flag)
      return &runtime;
  return nullptr;
}

static bool isHere(const Runtime &runtime) {
  return dlsym(RTLD_DEFAULT, runtime.symbol);
}

std::string llmc::nameSanitizers(const Sanitizers &sanitizers) {
  std::string text;
  for (const Runtime &runtime : kRuntimes)
    if (sanitizers.*runtime.flag)
      text += (text.empty() ? "" : " and ") + runtime.name.str();
  return text;
}

Error llmc::expectRuntime(const Sanitizers &sanitizers) {
  const Runtime *first = findFirst(sanitizers);
  // The last may come with the plugin.
  if (!first || first == std::end(kRuntimes) - 1 || isHere(*first))
    return Error::success();
  return createStringError("it was built with " + nameSanitizers(sanitizers) +
                           ", whose runtime must be there from the beginning: "
                           "llmc plugin check sees to that, any other command "
                           "needs it in LD_PRELOAD; or build it without");
}

//===----------------------------------------------------------------------===//
// Where a runtime is
//===----------------------------------------------------------------------===//

namespace {
/// What a library says of who made it.
struct Origin {
  std::vector<std::string> needed, folders;
  /// "clang-22".
  std::string compiler;
};
} // namespace

static Expected<Origin> readOrigin(StringRef bytes) {
  auto elf = ElfFile::create(bytes);
  if (!elf)
    return elf.takeError();
  auto sections = elf->sections();
  if (!sections)
    return sections.takeError();
  Origin origin;
  for (const ElfFile::Elf_Shdr &section : *sections) {
    auto name = elf->getSectionName(section);
    if (!name)
      return name.takeError();
    if (*name == ".comment" && section.sh_type == ELF::SHT_PROGBITS) {
      auto text = elf->getSectionContents(section);
      if (!text)
        return text.takeError();
      StringRef version = toStringRef(*text).split("clang version ").second;
      version = version.take_while(isDigit);
      if (!version.empty())
        origin.compiler = ("clang-" + version.take_front(4)).str();
    }
    if (section.sh_type != ELF::SHT_DYNAMIC)
      continue;
    Error error = forEachDynamicText(
        *elf, section, [&](int64_t tag, StringRef text) -> Error {
          if (tag == ELF::DT_NEEDED)
            origin.needed.push_back(text.str());
          if (tag == ELF::DT_RUNPATH || tag == ELF::DT_RPATH)
            for (StringRef folder : split(text, ':'))
              origin.folders.push_back(folder.str());
          return Error::success();
        });
    if (error)
      return std::move(error);
  }
  return origin;
}

/// Runs a program; what it writes, and its exit code.
static std::pair<std::string, int> runProgram(StringRef path,
                                              ArrayRef<StringRef> arguments) {
  SmallString<128> output;
  if (fs::createTemporaryFile("llmc", "txt", output))
    return {"cannot make a temporary file", -1};
  FileRemover remover(output);
  std::optional<StringRef> redirects[] = {StringRef(), output.str(),
                                          output.str()};
  SmallVector<StringRef> all = {path};
  append_range(all, arguments);
  std::string text;
  int code =
      sys::ExecuteAndWait(path, all, std::nullopt, redirects,
                          /*SecondsToWait=*/20, /*MemoryLimit=*/0, &text);
  if (auto buffer = MemoryBuffer::getFile(output))
    text = (*buffer)->getBuffer().str() + text;
  return {text, code};
}

/// The path of a library of a compiler; empty if it has none.
static std::string askCompiler(StringRef compiler, StringRef library) {
  auto program = sys::findProgramByName(compiler);
  if (!program)
    return "";
  std::string argument = ("-print-file-name=" + library).str();
  std::string said = runProgram(*program, {StringRef(argument)}).first;
  StringRef path = StringRef(said).trim();
  // A compiler that does not know it says the name again.
  return sys::path::is_absolute(path) && fs::exists(path) ? path.str() : "";
}

/// Names of libraries are written by whoever made the file.
static bool isPlainName(StringRef name) {
  return all_of(name, [](char c) {
    return isAlnum(c) || c == '.' || c == '_' || c == '-';
  });
}

static Expected<std::string> findRuntime(const Runtime &runtime,
                                         const Origin &origin) {
  std::string arch = Triple(sys::getProcessTriple()).getArchName().str(),
              beginning = ("libclang_rt." + runtime.clang).str();
  std::vector<std::string> names = {beginning + "-" + arch + ".so",
                                    beginning + ".so"};
  for (const std::string &name : origin.needed) {
    if (!isPlainName(name))
      continue;
    // That of gcc is where the loader looks.
    if (StringRef(name).starts_with(runtime.gcc))
      return name;
    if (StringRef(name).starts_with(beginning))
      names = {name};
  }
  for (const std::string &name : names) {
    for (const std::string &folder : origin.folders) {
      SmallString<128> path(folder);
      sys::path::append(path, name);
      if (sys::path::is_absolute(path) && fs::exists(path))
        return path.str().str();
    }
    for (StringRef compiler : {StringRef(origin.compiler), StringRef("clang")})
      if (std::string path =
              compiler.empty() ? "" : askCompiler(compiler, name);
          !path.empty())
        return path;
  }
  std::string asked =
      origin.compiler.empty() ? "clang" : origin.compiler + " nor by clang";
  std::string package =
      origin.compiler.empty()
          ? "libclang-rt-dev"
          : "libclang-rt-" + origin.compiler.substr(strlen("clang-")) + "-dev";
  return createStringError("its runtime '" + names[0] +
                           "' is found neither beside it nor by " + asked +
                           "; install it (Debian: " + package + ")");
}

//===----------------------------------------------------------------------===//
// Begin again
//===----------------------------------------------------------------------===//

/// Adds before what there is, which comes later and so wins.
static void setOptions(const char *variable, const std::string &options) {
  const char *given = getenv(variable);
  setenv(variable, (options + (given ? std::string(":") + given : "")).c_str(),
         /*overwrite=*/1);
}

/// The program that turns addresses into lines, where clang has it.
static std::string findSymbolizer(StringRef runtime) {
  for (StringRef folder = sys::path::parent_path(runtime);
       sys::path::has_relative_path(folder);
       folder = sys::path::parent_path(folder)) {
    SmallString<128> path(folder);
    sys::path::append(path, "bin", "llvm-symbolizer");
    if (fs::can_execute(path))
      return path.str().str();
  }
  return "";
}

static void setEnvironment(const std::string &runtime) {
  std::string common =
      std::string(":stack_trace_format='") + kFrameFormat + "'";
  if (std::string path = findSymbolizer(runtime); !path.empty())
    common += ":external_symbolizer_path=" + path;
  for (const Runtime &each : kRuntimes)
    setOptions(each.variable, each.options.str() + common);
  const char *preload = getenv(kPreload);
  setenv(kPreload,
         (runtime + (preload ? std::string(":") + preload : "")).c_str(),
         /*overwrite=*/1);
  // ThreadSanitizer has places for memory of its own; those of random addresses
  // may be in them. Where this is forbidden, most runtimes help themselves.
  int kind = personality(0xffffffff);
  if (kind >= 0)
    personality(kind | ADDR_NO_RANDOMIZE);
}

static std::vector<std::string> readArguments() {
  std::vector<std::string> arguments;
  if (auto text = MemoryBuffer::getFileAsStream("/proc/self/cmdline"))
    for (StringRef each : split((*text)->getBuffer().rtrim('\0'), '\0'))
      arguments.push_back(each.str());
  return arguments;
}

static Error restart(StringRef bytes, const Runtime &first) {
  auto origin = readOrigin(bytes);
  if (!origin)
    return origin.takeError();
  auto runtime = findRuntime(first, *origin);
  if (!runtime)
    return runtime.takeError();
  setEnvironment(*runtime);
  // A runtime that cannot be used ends the program, or is left out by the loader.
  StringRef program = "/proc/self/exe";
  auto [said, code] =
      runProgram(fs::getMainExecutable(nullptr, nullptr), {"--version"});
  if (code != 0 || StringRef(said).contains("cannot be preloaded"))
    return createStringError(
        "llmc does not run with its runtime '" + *runtime +
        "': " + StringRef(said).trim().split('\n').first +
        "; install the runtime of the compiler that built it, or build it with "
        "another");
  std::vector<std::string> arguments = readArguments();
  std::vector<char *> pointers;
  for (std::string &argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  execv(program.data(), pointers.data());
  return createStringError(std::string("cannot run again: ") + strerror(errno));
}

Error llmc::restartForSanitizers(StringRef file) {
  // Whatever is wrong with the file, the check tells.
  auto bytes = readPlugin(file);
  if (!bytes) {
    consumeError(bytes.takeError());
    return Error::success();
  }
  PluginEntries entries;
  if (Error error = probePlugin((*bytes)->getBuffer(), &entries)) {
    consumeError(std::move(error));
    return Error::success();
  }
  const Runtime *first = findFirst(entries.sanitizers);
  if (!first)
    return Error::success();
  if (isHere(*first)) {
    // Not for what is run from here, such as the program that finds lines.
    unsetenv(kPreload);
    return Error::success();
  }
  return createStringError("plugin '" + file + "': it was built with " +
                           nameSanitizers(entries.sanitizers) + ", and " +
                           toString(restart((*bytes)->getBuffer(), *first)));
}
