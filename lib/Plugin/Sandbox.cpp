//===- Sandbox.cpp - Methods of plugins in processes of their own ---------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Three processes take part. The compiler writes a request into shared memory and
// waits. The forker, which was forked while the compiler had one thread and the
// plugins were loaded, forks runners and tells how they ended. A runner runs the
// method as the compiler would, with all services of llmc_host in it, leaves the
// result in the shared memory, and waits for the next request. There is no message
// for a row.
//
// What a runner leaves is not believed: the compiler knows the sizes, and checks
// the rest.
//
//===----------------------------------------------------------------------===//
#include "llmc/Plugin/Sandbox.h"
#include "Apart.h"
#include "SandboxMemory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <cmath>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;
using namespace llmc;
using namespace llmc::sandbox;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How often somebody is asked whether to go on, and how long a method may take
/// to hear of it.
static constexpr auto kAsking = 5ms, kHearing = 1000ms;
static constexpr size_t kLongestText = 4096;

/// The machine is to blame.
static Error makeError(const Twine &what, int number = errno) {
  std::error_code code(number, std::generic_category());
  return createStringError(code, what + ": " + code.message());
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

/// Memory that is shared with a runner.
struct Sandbox::Segment {
  int file = -1;
  char *base = nullptr;
  size_t bytes = 0;
  /// Of the runner, which waits for the next matrix; -1 where there is none.
  int socket = -1;
  uint64_t number = 0;

  ~Segment() {
    if (base)
      munmap(base, bytes);
    for (int each : {file, socket})
      if (each >= 0)
        close(each);
  }

  Header &header() const { return *reinterpret_cast<Header *>(base); }

  /// Whether the runner can take the next one; forgets one that is gone.
  bool hasRunner() {
    pollfd wait{socket, POLLIN, 0};
    if (socket >= 0 && poll(&wait, 1, 0) != 0)
      close(std::exchange(socket, -1));
    return socket >= 0;
  }

  Error grow(size_t wanted) {
    if (wanted <= bytes)
      return Error::success();
    if (base)
      munmap(std::exchange(base, nullptr), std::exchange(bytes, 0));
    if (file < 0)
      file = memfd_create("llmc", MFD_CLOEXEC);
    void *mapped = MAP_FAILED;
    if (file >= 0 && ftruncate(file, static_cast<off_t>(wanted)) == 0)
      mapped =
          mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
      return makeError("cannot have " + Twine(wanted) +
                       " bytes of shared memory");
    base = static_cast<char *>(mapped);
    bytes = wanted;
    return Error::success();
  }
};

/// The smallest that is large enough, else the largest, or a new one.
std::unique_ptr<Sandbox::Segment> Sandbox::takeSegment(size_t bytes) {
  std::lock_guard guard(mutex);
  auto isBetter = [&](const auto &a, const auto &b) {
    bool fits = a->bytes >= bytes;
    return fits != (b->bytes >= bytes) ? fits
           : fits                      ? a->bytes < b->bytes
                                       : a->bytes > b->bytes;
  };
  auto best = std::min_element(idle.begin(), idle.end(), isBetter);
  if (best == idle.end())
    return std::make_unique<Segment>();
  std::unique_ptr<Segment> segment = std::move(*best);
  idle.erase(best);
  return segment;
}

void Sandbox::giveBack(std::unique_ptr<Segment> segment) {
  std::lock_guard guard(mutex);
  idle.push_back(std::move(segment));
}

//===----------------------------------------------------------------------===//
// Processes
//===----------------------------------------------------------------------===//

static size_t countThreads() {
  size_t count = 0;
  std::error_code code;
  for (sys::fs::directory_iterator each("/proc/self/task", code), end;
       !code && each != end; each.increment(code))
    ++count;
  return count;
}

Expected<std::unique_ptr<Sandbox>> Sandbox::start(const PluginSet &plugins,
                                                  SandboxLimits limits,
                                                  unsigned threads) {
  if (size_t count = countThreads(); count != 1)
    return createStringError(
        "expected a process of one thread to begin a sandbox in, but there "
        "are " +
        Twine(count) +
        "; a plugin that starts threads while it is loaded cannot be used with "
        "a sandbox");
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
    return makeError("cannot make a socket for the sandbox");
  pid_t process = fork();
  if (process == 0) {
    close(ends[0]);
    serve(plugins, limits, threads, ends[1]);
  }
  int number = errno;
  close(ends[1]);
  std::unique_ptr<Sandbox> sandbox(
      new Sandbox(plugins, limits, ends[0], process));
  if (process < 0)
    return makeError("cannot start a process for the sandbox", number);
  return sandbox;
}

Sandbox::Sandbox(const PluginSet &plugins, SandboxLimits limits, int control,
                 int process)
    : plugins(plugins), limits(limits), control(control), process(process) {}

Sandbox::~Sandbox() {
  close(control);
  if (process > 0)
    waitpid(process, nullptr, 0);
}

/// Sends a command, and files with it.
static Error tell(int control, Command command, ArrayRef<int> files) {
  alignas(cmsghdr) char space[CMSG_SPACE(2 * sizeof(int))] = {};
  iovec bytes{&command, sizeof(command)};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (!files.empty()) {
    header.msg_control = space;
    header.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
    cmsghdr *part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), files.data(), files.size() * sizeof(int));
  }
  if (sendmsg(control, &header, MSG_NOSIGNAL) < 0)
    return makeError("the process of the sandbox is gone");
  return Error::success();
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

static void place(Request &parts, Layout &layout, const Method &method,
                  const MethodRequest &request, const QuantizedMatrix &matrix) {
  const MatrixView &weight = request.weight;
  const Statistics &known = request.statistics;
  parts.rows = weight.rows;
  parts.columns = weight.columns;
  parts.progress = bool(request.progress);
  parts.weight = layout.addBytes(sizeof(float) * weight.rows * weight.columns);
  parts.meanAbsolute = layout.add(known.meanAbsolute);
  parts.meanSquare = layout.add(known.meanSquare);
  parts.gram = layout.add(known.gram);
  parts.columnScale = layout.add(request.columnScale);
  parts.integers = layout.add(request.options->getIntegers());
  parts.reals = layout.add(request.options->getReals());
  parts.name = layout.addBytes(weight.name.size());
  parts.method = layout.addBytes(method.name.size());
  parts.format = layout.addBytes(request.format->name.size());
  parts.codes = layout.add(ArrayRef(matrix.codes));
  for (auto [i, chain] : enumerate(matrix.chains)) {
    parts.chainReals[i] = layout.add(ArrayRef(chain.reals));
    parts.chainCodes[i] = layout.add(ArrayRef(chain.codes));
  }
  parts.scale = layout.addBytes(sizeof(float) * weight.columns);
  parts.text = layout.addBytes(kLongestText);
}

static void fill(char *base, const Request &parts, const Method &method,
                 const MethodRequest &request) {
  leave(base, parts.meanAbsolute, request.statistics.meanAbsolute);
  leave(base, parts.meanSquare, request.statistics.meanSquare);
  leave(base, parts.gram, request.statistics.gram);
  leave(base, parts.columnScale, request.columnScale);
  leave(base, parts.integers, request.options->getIntegers());
  leave(base, parts.reals, request.options->getReals());
  leave(base, parts.name, request.weight.name);
  leave(base, parts.method, method.name);
  leave(base, parts.format, request.format->name);
  float *values = view<float>(base, parts.weight).data();
  auto copy = [&](int64_t row) {
    request.weight.read(row, 0, parts.columns, values + row * parts.columns);
  };
  if (request.parallelFor)
    request.parallelFor(parts.rows, copy);
  else
    runSerially(parts.rows, copy);
}

/// Takes what a runner left, and checks what it could have got wrong.
static Error take(char *base, const Request &parts, MethodResult &result) {
  const Header &header = *reinterpret_cast<Header *>(base);
  QuantizedMatrix &matrix = result.matrix;
  auto copy = [&](auto &values, const Part &part) {
    std::memcpy(values.data(), base + part.offset, part.bytes);
  };
  copy(matrix.codes, parts.codes);
  for (auto [i, chain] : enumerate(matrix.chains)) {
    copy(chain.reals, parts.chainReals[i]);
    copy(chain.codes, parts.chainCodes[i]);
  }
  if (header.hasScale) {
    matrix.columnScale.resize(parts.columns);
    copy(matrix.columnScale, parts.scale);
  }
  result.note = text(base, parts.text).take_front(header.textBytes).str();
  if (Error error = verify(matrix))
    return error;
  auto isFinite = [](float value) { return std::isfinite(value); };
  for (const ChainValues &chain : matrix.chains)
    if (!all_of(chain.reals, isFinite))
      return createStringError("scales that are not finite");
  if (!all_of(matrix.columnScale, isFinite))
    return createStringError("a column scale that is not finite");
  return Error::success();
}

/// Has the runner of the memory begin, or a new one.
Error Sandbox::startRunner(Segment &segment) {
  Word word;
  if (segment.hasRunner() &&
      send(segment.socket, &word, sizeof(word), MSG_NOSIGNAL) == sizeof(word))
    return Error::success();
  if (segment.socket >= 0)
    close(std::exchange(segment.socket, -1));
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
    return makeError("cannot make a socket");
  segment.socket = ends[0];
  {
    std::lock_guard guard(mutex);
    segment.number = ++runners;
  }
  Error error =
      tell(control, {Command::Run, segment.number}, {segment.file, ends[1]});
  close(ends[1]);
  return error;
}

std::string Sandbox::describeMemory() const {
  return formatv("it wanted more than {0} MiB of memory", limits.megabytes);
}

/// Waits for a runner; what it comes to is the reason why it has to be replaced,
/// if it has.
Expected<std::string>
Sandbox::await(Segment &segment, const MethodRequest &request, bool &stopped) {
  Header &header = segment.header();
  auto late = Clock::now() + std::chrono::seconds(limits.seconds);
  bool killed = false, asked = false;
  stopped = false;
  auto goOn = [&] {
    asked = true;
    return request.progress(bit_cast<double>(header.part.load()));
  };
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        late - Clock::now());
    auto time =
        request.progress ? std::min(left, decltype(left)(kAsking)) : left;
    pollfd wait{segment.socket, POLLIN, 0};
    int ready = poll(&wait, 1, killed ? -1 : std::max<int>(0, time.count()));
    if (ready > 0) {
      Word word;
      if (recv(segment.socket, &word, sizeof(word), 0) != sizeof(word))
        return makeError("cannot start a process for a method", ECHILD);
      if (!word.ended) {
        stopped = request.progress && header.asked && !asked && !goOn();
        return "";
      }
      close(std::exchange(segment.socket, -1));
      if (killed && stopped)
        return "";
      if (killed)
        return formatv("it did not return within {0} s", limits.seconds).str();
      if (header.outOfMemory)
        return describeMemory();
      return describeEnd(word.status);
    }
    if (killed)
      continue;
    if (request.progress && header.asked && !stopped && !goOn()) {
      stopped = header.stop = true;
      late = std::min(late, Clock::now() + kHearing);
    }
    if (Clock::now() < late)
      continue;
    if (Error error = tell(control, {Command::Kill, segment.number}, {}))
      return std::move(error);
    killed = true;
  }
}

Expected<MethodResult> Sandbox::run(const Method &method,
                                    const MethodRequest &request) {
  std::string prefix = ("'" + request.weight.name + "': method " + method.name +
                        " of '" + method.plugin + "': ")
                           .str();
  auto wrong = [&](Error error) {
    std::error_code code;
    std::string text;
    handleAllErrors(std::move(error), [&](const ErrorInfoBase &info) {
      code = info.convertToErrorCode();
      text = info.message();
    });
    return createStringError(code, prefix + text);
  };
  // The runner knows formats by their names.
  auto format = plugins.getFormats().parse(request.format->name);
  if (!format || !(*format == *request.format))
    return wrong(joinErrors(
        format.takeError(),
        createStringError("format '" + request.format->name +
                          "' is not known by its name in a sandbox")));
  auto matrix = QuantizedMatrix::create(*format, request.weight.rows,
                                        request.weight.columns);
  if (!matrix)
    return wrong(matrix.takeError());
  MethodResult result{std::move(*matrix), "", ""};
  Request parts;
  Layout layout;
  place(parts, layout, method, request, result.matrix);
  std::unique_ptr<Segment> segment = takeSegment(layout.getSize());
  if (Error error = segment->grow(layout.getSize()))
    return wrong(std::move(error));
  char *base = segment->base;
  (new (base) Header)->request = parts;
  fill(base, parts, method, request);
  if (Error error = startRunner(*segment))
    return wrong(std::move(error));
  bool stopped;
  auto reason = await(*segment, request, stopped);
  if (!reason)
    return wrong(reason.takeError());
  if (stopped)
    return wrong(createStringError("stopped on request"));
  const Header &header = segment->header();
  if (reason->empty() && header.state == State::Failed) {
    // As the runner says it, with weight and method.
    std::string said =
        text(base, parts.text).take_front(header.textBytes).str();
    if (!header.outOfMemory && !StringRef(said).ends_with("out of memory")) {
      giveBack(std::move(segment));
      return createStringError(said);
    }
    *reason = describeMemory();
  }
  if (reason->empty())
    if (Error error = take(base, parts, result))
      *reason = "it left " + toString(std::move(error));
  giveBack(std::move(segment));
  if (reason->empty())
    return result;
  return replace(prefix, *reason, request);
}

Expected<MethodResult> Sandbox::replace(const std::string &prefix,
                                        const std::string &reason,
                                        MethodRequest request) {
  const Method *simple = plugins.getMethods().find("rtn");
  if (!simple)
    return createStringError(prefix + reason);
  auto options = Options::parse(simple->name, simple->options, {});
  if (!options)
    return options.takeError();
  request.options = &*options;
  auto result = runMethod(*simple, request);
  if (!result)
    return createStringError(
        prefix + reason + "; and rtn instead: " + toString(result.takeError()));
  result->method = simple->name;
  result->note = reason;
  std::lock_guard guard(mutex);
  faults.push_back(prefix + reason + "; rtn compressed it instead");
  return result;
}

std::vector<std::string> Sandbox::getFaults() const {
  std::lock_guard guard(mutex);
  std::vector<std::string> sorted = faults;
  llvm::sort(sorted);
  return sorted;
}
