//===- SanitizerReport.cpp - What sanitizers say of a plugin --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Sanitizers.h"
#include "llvm/ADT/StringExtras.h"

#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;

/// Lines of a report that are shown, and bytes of stderr that are read.
static constexpr size_t kMostLines = 10, kMostBytes = 1 << 20;

static bool isFrame(StringRef line) {
  line = line.ltrim();
  return line.consume_front("#") && !line.empty() && isDigit(line[0]);
}

/// Without "==PID==" and blanks at its ends.
static StringRef clean(StringRef line) {
  line = line.trim();
  StringRef rest = line;
  if (rest.consume_front("==") && !rest.empty() && isDigit(rest[0]))
    return rest.drop_while(isDigit).ltrim("=");
  return line;
}

namespace {

/// Lines from a title or a heading to what ends them.
class Part {
public:
  explicit Part(StringRef plugin) : module((" {" + plugin + "}").str()) {}

  void add(StringRef line) {
    if (isFrame(line)) {
      // Frames of llmc and of the runtime say nothing to its author.
      if (!line.consume_back(module))
        return;
      ours = true;
      line = line.trim();
    }
    if (count++ < kMostLines)
      text += (text.empty() ? "" : "\n") + line.str();
  }
  bool isOfPlugin() const { return ours; }
  const std::string &get() const { return text; }

private:
  std::string module, text;
  size_t count = 0;
  bool ours = false;
};

} // namespace

/// What of a line with a title is told.
static std::string shorten(StringRef title) {
  title.consume_front("ERROR: ") || title.consume_front("WARNING: ");
  // Addresses of one run.
  for (StringRef end : {" on address 0x", " at pc 0x", " (pid="})
    title = title.take_front(title.find(end));
  return title.str();
}

/// Blocks of leaks, with blank lines between them.
static std::string findLeak(ArrayRef<StringRef> lines, StringRef plugin) {
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!clean(lines[i]).contains(" leak of "))
      continue;
    Part part(plugin);
    part.add("LeakSanitizer: " + clean(lines[i]).lower());
    while (++i < lines.size() && !clean(lines[i]).empty())
      part.add(clean(lines[i]));
    if (part.isOfPlugin())
      return part.get();
  }
  return "";
}

std::string llmc::findReport(StringRef text, StringRef plugin) {
  SmallVector<StringRef> lines;
  text.split(lines, '\n');
  std::string undefined;
  for (size_t i = 0; i < lines.size(); ++i) {
    StringRef title = clean(lines[i]);
    // UndefinedBehaviorSanitizer goes on; what ends the program is told before.
    if (title.contains(": runtime error: ")) {
      if (undefined.empty())
        undefined = title.str();
      continue;
    }
    if (title.contains("LeakSanitizer: detected memory leaks")) {
      std::string leak = findLeak(ArrayRef(lines).drop_front(i + 1), plugin);
      if (!leak.empty())
        return leak;
      continue;
    }
    bool race = title.starts_with("WARNING: ThreadSanitizer: ");
    if (!race && !title.starts_with("ERROR: AddressSanitizer: ") &&
        !title.contains("Sanitizer has encountered a fatal error"))
      continue;
    Part part(plugin);
    part.add(shorten(title));
    bool making = false;
    while (++i < lines.size()) {
      StringRef line = clean(lines[i]);
      if (line.starts_with("SUMMARY: "))
        break;
      // Where a thread of llmc was made is not the matter.
      making = line.starts_with("Thread T") || (making && !line.empty());
      if (!making && !line.empty())
        part.add(line);
    }
    // Between threads of llmc, whose locks are not all seen, nothing is told.
    if (!race || part.isOfPlugin())
      return part.get();
  }
  return undefined;
}

static std::string readFile(int file) {
  std::string text;
  char buffer[4096];
  lseek(file, 0, SEEK_SET);
  for (ssize_t count; text.size() < kMostBytes &&
                      (count = read(file, buffer, sizeof(buffer))) > 0;)
    text.append(buffer, count);
  return text;
}

Outcome llmc::runWatched(int64_t seconds, StringRef plugin,
                         function_ref<Expected<std::string>()> body) {
  int file = memfd_create("stderr", MFD_CLOEXEC);
  if (file < 0) {
    Outcome outcome;
    outcome.text =
        std::string("cannot make a file in memory: ") + strerror(errno);
    return outcome;
  }
  Outcome outcome = runApart(seconds, [&]() -> Expected<std::string> {
    dup2(file, STDERR_FILENO);
    auto said = body();
    // At its end a process asks by itself, but this one ends by _exit.
    if (void *check = dlsym(RTLD_DEFAULT, "__lsan_do_recoverable_leak_check"))
      reinterpret_cast<int (*)()>(check)();
    return said;
  });
  std::string text = readFile(file);
  close(file);
  outcome.report = findReport(text, plugin);
  if (outcome.report.empty())
    (void)!write(STDERR_FILENO, text.data(), text.size());
  else if (!outcome.whole)
    outcome.text = "it was ended by a sanitizer, whose report is below";
  return outcome;
}
