//===- SandboxServe.cpp - The processes of a sandbox ----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Apart.h"
#include "SandboxMemory.h"
#include "llvm/ADT/STLExtras.h"

#include <csignal>
#include <cstdio>
#include <map>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
using namespace llmc::sandbox;

/// Matrices of fewer numbers are compressed side by side, each by one thread.
static constexpr int64_t kManyNumbers = 1 << 20;
/// Memory of a runner that is not the method's, in MiB: tables, rows of threads.
static constexpr int64_t kOwnMegabytes = 64;

//===----------------------------------------------------------------------===//
// The runner
//===----------------------------------------------------------------------===//

/// For the handler of `operator new`, which takes nothing. The process has one
/// request at a time.
static Header *runnerHeader = nullptr;

static void sayOutOfMemory() {
  runnerHeader->outOfMemory = true;
  // Who catches exceptions gets one; everyone else is ended.
  std::set_new_handler(nullptr);
}

/// Bytes of private memory that can be written to, as RLIMIT_DATA counts them.
static int64_t getDataBytes() {
  long long pages = 0;
  if (FILE *file = fopen("/proc/self/statm", "r")) {
    // The sixth number.
    if (fscanf(file, "%*s %*s %*s %*s %*s %lld", &pages) != 1)
      pages = 0;
    fclose(file);
  }
  return pages * sysconf(_SC_PAGESIZE);
}

static void limitMemory(const Request &request, const SandboxLimits &limits) {
  int64_t bytes = getDataBytes() + ((limits.megabytes + kOwnMegabytes) << 20);
  bytes += static_cast<int64_t>(request.codes.bytes + request.scale.bytes);
  for (unsigned i = 0; i < kMostChains; ++i)
    bytes += static_cast<int64_t>(request.chainReals[i].bytes +
                                  request.chainCodes[i].bytes);
  // The next matrix may need more.
  rlimit limit{static_cast<rlim_t>(bytes), RLIM_INFINITY};
  setrlimit(RLIMIT_DATA, &limit);
}

static Expected<MethodResult> runRequest(const PluginSet &plugins, char *base,
                                         ParallelFor parallelFor) {
  Header &header = *reinterpret_cast<Header *>(base);
  const Request &from = header.request;
  const Method *method = plugins.getMethods().find(text(base, from.method));
  auto format = plugins.getFormats().parse(text(base, from.format));
  if (!format)
    return format.takeError();
  if (!method)
    return createStringError(
        plugins.getMethods().describeUnknown(text(base, from.method), {}));
  Options options(view<int64_t>(base, from.integers),
                  view<double>(base, from.reals));
  MethodRequest request;
  request.weight = {text(base, from.name), base + from.weight.offset,
                    RealType::F32,         from.rows,
                    from.columns,          from.columns};
  request.format = &*format;
  request.options = &options;
  request.statistics = {view<float>(base, from.meanAbsolute),
                        view<float>(base, from.meanSquare),
                        view<float>(base, from.gram)};
  request.columnScale = view<float>(base, from.columnScale);
  request.parallelFor = parallelFor;
  auto progress = [&](double part) {
    header.part = bit_cast<uint64_t>(part);
    header.asked = true;
    return !header.stop;
  };
  if (from.progress)
    request.progress = progress;
  return runMethod(*method, request);
}

static void leaveText(char *base, StringRef text) {
  Header &header = *reinterpret_cast<Header *>(base);
  leave(base, header.request.text, text);
  header.textBytes =
      static_cast<uint32_t>(std::min(header.request.text.bytes, text.size()));
}

static void leaveResult(char *base, const MethodResult &result) {
  Header &header = *reinterpret_cast<Header *>(base);
  const QuantizedMatrix &matrix = result.matrix;
  leave(base, header.request.codes, ArrayRef(matrix.codes));
  for (auto [i, chain] : enumerate(matrix.chains)) {
    leave(base, header.request.chainReals[i], ArrayRef(chain.reals));
    leave(base, header.request.chainCodes[i], ArrayRef(chain.codes));
  }
  leave(base, header.request.scale, ArrayRef(matrix.columnScale));
  header.hasScale = !matrix.columnScale.empty();
  leaveText(base, result.note);
}

static void serveOne(const PluginSet &plugins, const SandboxLimits &limits,
                     unsigned threads, char *base) {
  Header &header = *reinterpret_cast<Header *>(base);
  runnerHeader = &header;
  const Request &request = header.request;
  Workers workers(request.rows * request.columns > kManyNumbers ? threads : 1);
  // The stacks of all threads are there before memory is counted.
  workers(threads, [](int64_t) {});
  std::set_new_handler(sayOutOfMemory);
  limitMemory(request, limits);
  auto result = runRequest(plugins, base, workers);
  if (result)
    leaveResult(base, *result);
  else
    leaveText(base, toString(result.takeError()));
  header.state = result ? State::Done : State::Failed;
}

/// Does what the shared memory asks for, as often as the compiler says so.
[[noreturn]] static void beRunner(const PluginSet &plugins,
                                  const SandboxLimits &limits, unsigned threads,
                                  int file, int socket) {
  size_t bytes = 0;
  void *base = nullptr;
  Word word;
  do {
    auto wanted = static_cast<size_t>(lseek(file, 0, SEEK_END));
    if (wanted > bytes) {
      if (base)
        munmap(base, bytes);
      // Populated: a fault for every page would cost more than all else here.
      base = mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_POPULATE, file, 0);
      bytes = wanted;
    }
    if (base == MAP_FAILED)
      _exit(1);
    serveOne(plugins, limits, threads, static_cast<char *>(base));
    word = Word();
    (void)!send(socket, &word, sizeof(word), MSG_NOSIGNAL);
  } while (recv(socket, &word, sizeof(word), 0) == sizeof(word));
  _exit(0);
}

//===----------------------------------------------------------------------===//
// The forker
//===----------------------------------------------------------------------===//

namespace {

struct Message {
  Command command;
  int files[2] = {-1, -1};

  bool receive(int control) {
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(files))];
    iovec bytes{&command, sizeof(command)};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = space;
    header.msg_controllen = sizeof(space);
    if (recvmsg(control, &header, MSG_CMSG_CLOEXEC) != sizeof(command))
      return false;
    if (cmsghdr *part = CMSG_FIRSTHDR(&header))
      std::memcpy(files, CMSG_DATA(part),
                  std::min(sizeof(files), part->cmsg_len - CMSG_LEN(0)));
    return true;
  }
};

struct Runner {
  uint64_t number;
  int socket;
};

/// By process.
using Runners = std::map<pid_t, Runner>;

} // namespace

static void tellOfEnds(Runners &runners) {
  Word word;
  word.ended = 1;
  for (pid_t process; (process = waitpid(-1, &word.status, WNOHANG)) > 0;) {
    auto found = runners.find(process);
    if (found == runners.end())
      continue;
    (void)!send(found->second.socket, &word, sizeof(word), MSG_NOSIGNAL);
    close(found->second.socket);
    runners.erase(found);
  }
}

void llmc::sandbox::serve(const PluginSet &plugins, const SandboxLimits &limits,
                          unsigned threads, int control) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  beginApart();
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  int signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  Runners runners;
  for (;;) {
    pollfd wait[] = {{control, POLLIN, 0}, {signals, POLLIN, 0}};
    if (poll(wait, 2, -1) < 0)
      continue;
    signalfd_siginfo signal;
    while (read(signals, &signal, sizeof(signal)) > 0)
      continue;
    tellOfEnds(runners);
    if (!wait[0].revents)
      continue;
    Message message;
    if (!message.receive(control))
      break;
    uint64_t number = message.command.number;
    if (message.command.what == Command::Kill) {
      for (auto &[process, runner] : runners)
        if (runner.number == number)
          kill(process, SIGKILL);
      continue;
    }
    auto [file, socket] = message.files;
    pid_t process = fork();
    if (process == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      sigprocmask(SIG_UNBLOCK, &ends, nullptr);
      close(control);
      close(signals);
      for (auto &[other, runner] : runners)
        close(runner.socket);
      beRunner(plugins, limits, threads, file, socket);
    }
    close(file);
    if (process > 0)
      runners[process] = {number, socket};
    else
      // Closed without a word: there is no process.
      close(socket);
  }
  for (auto &[process, runner] : runners)
    kill(process, SIGKILL);
  _exit(0);
}
