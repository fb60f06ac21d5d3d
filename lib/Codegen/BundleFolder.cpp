//===- BundleFolder.cpp - A whole bundle or none --------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A lock on the folder itself tells a compiler at work from one that was
// killed. Signals are taken by a thread that waits for them, so that folders
// are removed by ordinary code and not inside a handler.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/BundleFolder.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <tuple>
#include <unistd.h>

using namespace llmc;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

llvm::Error llmc::fileError(const llvm::Twine &what, llvm::StringRef path,
                            std::error_code code) {
  return llvm::createStringError(code,
                                 what + " '" + path + "': " + code.message());
}

static std::error_code lastError() {
  return std::error_code(errno, std::generic_category());
}

/// True for a folder without entries.
static bool isEmptyFolder(const std::string &place) {
  std::error_code code;
  return fs::is_directory(place) &&
         fs::directory_iterator(place, code) == fs::directory_iterator();
}

BundleFolder::~BundleFolder() {
  if (!partial.empty()) {
    std::lock_guard<std::mutex> guard(naming);
    std::ignore = fs::remove_directories(partial);
  }
  stopWatching();
  if (descriptor >= 0)
    ::close(descriptor);
}

llvm::Expected<std::string> BundleFolder::settle(llvm::StringRef place) {
  llvm::SmallString<256> tidy(place);
  path::remove_dots(tidy);
  while (tidy.size() > 1 && tidy.ends_with("/"))
    tidy.pop_back();
  // A link stays, and what it points to is replaced.
  llvm::SmallString<256> real;
  if (!fs::real_path(tidy, real))
    tidy = real;
  std::string name = tidy.str().str();
  if (fs::exists(name) && !isEmptyFolder(name) &&
      !fs::exists(name + "/manifest.json"))
    return fail("'" + name +
                "' exists and is no bundle; give another place with -o");
  return name;
}

/// The name of the folder that becomes `final`.
static std::string getPartialName(llvm::StringRef final) {
  llvm::SmallString<256> hidden(path::parent_path(final));
  path::append(hidden, "." + path::filename(final) + ".llmc-partial");
  return hidden.str().str();
}

llvm::Error BundleFolder::begin(llvm::StringRef place, llvm::StringRef key,
                                llvm::StringRef data) {
  auto settled = settle(place);
  if (!settled)
    return settled.takeError();
  final = *settled;
  llvm::StringRef parent = path::parent_path(final);
  if (!parent.empty())
    if (std::error_code code = fs::create_directories(parent))
      return fileError("cannot create", parent, code);
  // A signal waits until the folder is made, so that it is removed again.
  watchSignals();
  std::lock_guard<std::mutex> guard(naming);
  partial = getPartialName(final);
  if (llvm::Error error = lock()) {
    // The folder is not ours.
    partial.clear();
    return error;
  }
  return openJournal(key, data);
}

llvm::Error BundleFolder::beginInside(const BundleFolder &outer,
                                      llvm::StringRef name) {
  partial = outer.path(name);
  if (std::error_code code = fs::create_directory(partial))
    return fileError("cannot create", partial, code);
  return llvm::Error::success();
}

static constexpr llvm::StringLiteral kJournal = "journal";

llvm::Error BundleFolder::openJournal(llvm::StringRef key,
                                      llvm::StringRef data) {
  auto known = journal.open(path(kJournal), key);
  if (!known)
    return known.takeError();
  // What else an earlier run left, or all of it if it was another run.
  std::error_code code;
  for (fs::directory_iterator at(partial, code), end; at != end && !code;
       at.increment(code)) {
    llvm::StringRef left = at->path(), name = path::filename(left);
    if (name == kJournal || (*known && name == data))
      continue;
    if (fs::is_directory(left))
      std::ignore = fs::remove_directories(left);
    else
      std::ignore = fs::remove(left);
  }
  return llvm::Error::success();
}

std::string BundleFolder::keepWork() {
  std::lock_guard<std::mutex> guard(naming);
  if (!journal.holdsWork())
    return "";
  return std::exchange(partial, "");
}

llvm::Error BundleFolder::lock() {
  while (true) {
    if (::mkdir(partial.c_str(), 0777) && errno != EEXIST)
      return fileError("cannot create", partial, lastError());
    descriptor = ::open(partial.c_str(),
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0 && errno == ENOENT)
      continue;
    if (descriptor < 0)
      return fileError("cannot open", partial, lastError());
    if (::flock(descriptor, LOCK_EX | LOCK_NB)) {
      std::error_code code = lastError();
      if (code != std::errc::operation_would_block)
        return fileError("cannot lock", partial, code);
      return fail("another llmc is writing '" + final + "'");
    }
    // Until here another one may have finished and given it another name.
    struct stat locked, named;
    if (!::fstat(descriptor, &locked) && !::stat(partial.c_str(), &named) &&
        locked.st_ino == named.st_ino && locked.st_dev == named.st_dev)
      break;
    ::close(descriptor);
    descriptor = -1;
  }
  return llvm::Error::success();
}

std::string BundleFolder::path(llvm::StringRef file) const {
  return (partial + "/" + file).str();
}

llvm::Error BundleFolder::publish() {
  {
    std::lock_guard<std::mutex> guard(naming);
    journal.close();
    std::ignore = fs::remove(path(kJournal));
    // The old bundle is locked before it takes the name of the new one, so that
    // nobody begins to write into it while it is removed.
    int old = ::open(final.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (old >= 0) {
      (void)::flock(old, LOCK_EX | LOCK_NB);
      if (::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, final.c_str(),
                      RENAME_EXCHANGE)) {
        // Some file systems cannot exchange; then there is a moment without.
        std::error_code code = fs::remove_directories(final, false);
        if (!code && ::rename(partial.c_str(), final.c_str()))
          code = lastError();
        ::close(old);
        if (code)
          return fileError("cannot replace", final, code);
      } else {
        std::ignore = fs::remove_directories(partial);
        ::close(old);
      }
    } else if (::rename(partial.c_str(), final.c_str())) {
      return fileError("cannot create", final, lastError());
    }
    partial.clear();
  }
  stopWatching();
  return llvm::Error::success();
}

llvm::Error BundleFolder::publish(llvm::ArrayRef<Publication> files) {
  std::lock_guard<std::mutex> guard(naming);
  for (const auto &[file, name] : files) {
    std::string from = path(file);
    // A second name of its own to give away; where file systems have none, the
    // only one.
    if (&file != &files.back().first) {
      std::string second = from + ".published";
      if (!::link(from.c_str(), second.c_str()))
        from = second;
    }
    if (std::error_code code = fs::rename(from, name))
      return fileError("cannot create", name, code);
  }
  return llvm::Error::success();
}

bool BundleFolder::isPublished(llvm::StringRef place, llvm::StringRef file,
                               llvm::StringRef name) {
  auto settled = settle(place);
  if (!settled) {
    llvm::consumeError(settled.takeError());
    return false;
  }
  return fs::equivalent(getPartialName(*settled) + "/" + file, name);
}

//===----------------------------------------------------------------------===//
// Signals
//===----------------------------------------------------------------------===//

void BundleFolder::watchSignals() {
  sigset_t taken;
  sigemptyset(&taken);
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action;
    // What is ignored (nohup, jobs in the background) stays ignored.
    if (!sigaction(number, nullptr, &action) && action.sa_handler == SIG_DFL)
      sigaddset(&taken, number);
  }
  int signals = ::signalfd(-1, &taken, SFD_CLOEXEC);
  wake = ::eventfd(0, EFD_CLOEXEC);
  if (signals < 0 || wake < 0) {
    // Without descriptors a signal ends the process as ever.
    if (signals >= 0)
      ::close(signals);
    return;
  }
  pthread_sigmask(SIG_BLOCK, &taken, &before);
  watcher = std::thread([this, signals, taken] {
    pollfd sources[2] = {{signals, POLLIN, 0}, {wake, POLLIN, 0}};
    while (::poll(sources, 2, -1) < 0 && errno == EINTR)
      ;
    signalfd_siginfo info;
    if (sources[0].revents & POLLIN &&
        ::read(signals, &info, sizeof(info)) == sizeof(info)) {
      naming.lock();
      if (!partial.empty() && journal.holdsWork()) {
        // A progress line may stand on a terminal.
        std::string text = ::isatty(STDERR_FILENO) ? "\r\x1b[K" : "";
        text += "llmc: note: stopped; what is done stays in '" + partial +
                "', and the same command goes on from there\n";
        (void)!::write(STDERR_FILENO, text.data(), text.size());
        partial.clear();
      }
      // Others still write; what they add meanwhile goes in the next round.
      for (int round = 0; round < 8 && !partial.empty() && fs::exists(partial);
           ++round)
        std::ignore = fs::remove_directories(partial);
      ::signal(info.ssi_signo, SIG_DFL);
      pthread_sigmask(SIG_UNBLOCK, &taken, nullptr);
      ::raise(info.ssi_signo);
    }
    ::close(signals);
  });
}

void BundleFolder::stopWatching() {
  if (watcher.joinable()) {
    uint64_t one = 1;
    (void)!::write(wake, &one, sizeof(one));
    watcher.join();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  if (wake >= 0)
    ::close(wake);
  wake = -1;
}
