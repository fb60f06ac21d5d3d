//===- SandboxMemory.h - What a sandbox and its processes share -*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_LIB_PLUGIN_SANDBOXMEMORY_H
#define LLMC_LIB_PLUGIN_SANDBOXMEMORY_H

#include "llmc/Plugin/Sandbox.h"
#include "llvm/Support/MathExtras.h"
#include <atomic>
#include <cstring>

namespace llmc::sandbox {

/// A part of the shared memory, from its beginning.
struct Part {
  size_t offset = 0, bytes = 0;
};

/// Of all terms, and the minimum.
inline constexpr unsigned kMostChains = kMaxTerms + 1;

/// Written by the compiler before a runner begins.
struct Request {
  int64_t rows = 0, columns = 0;
  bool progress = false;
  /// Of a MethodRequest; the weight is in f32, row by row.
  Part weight, meanAbsolute, meanSquare, gram, columnScale, integers, reals;
  Part name, method, format;
  /// Room for what comes of it; `text` is for the note or the error.
  Part codes, chainReals[kMostChains], chainCodes[kMostChains], scale, text;
};

enum class State : uint32_t { Running, Done, Failed };

/// What shared memory begins with.
struct Header {
  Request request;
  /// From the compiler: nobody wants the result.
  std::atomic<bool> stop{false};
  /// From the runner: it has told how far it is, `part` as the bits of a double.
  std::atomic<bool> asked{false};
  std::atomic<uint64_t> part{0};
  /// It could not have the memory that it wanted.
  std::atomic<bool> outOfMemory{false};
  std::atomic<State> state{State::Running};
  bool hasScale = false;
  uint32_t textBytes = 0;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

/// Gives parts their places.
class Layout {
public:
  template <typename T> Part add(llvm::ArrayRef<T> values) {
    return addBytes(values.size() * sizeof(T));
  }
  Part addBytes(size_t bytes) {
    Part part{size, bytes};
    size = llvm::alignTo(size + bytes, kAlignment);
    return part;
  }
  size_t getSize() const { return size; }

private:
  static constexpr size_t kAlignment = 64;
  size_t size = llvm::alignTo(sizeof(Header), kAlignment);
};

template <typename T>
llvm::MutableArrayRef<T> view(char *base, const Part &part) {
  return {reinterpret_cast<T *>(base + part.offset), part.bytes / sizeof(T)};
}

inline llvm::StringRef text(char *base, const Part &part) {
  return {base + part.offset, part.bytes};
}

/// Copies into a part what it has room for.
template <typename T>
void leave(char *base, const Part &part, llvm::ArrayRef<T> values) {
  if (!values.empty())
    std::memcpy(base + part.offset, values.data(),
                std::min(part.bytes, values.size() * sizeof(T)));
}
inline void leave(char *base, const Part &part, llvm::StringRef text) {
  leave(base, part, llvm::ArrayRef(text.data(), text.size()));
}

/// To the forker, over its socket: run goes with the file of the shared memory
/// and a socket, kill ends the runner of that number.
struct Command {
  enum : uint64_t { Run, Kill } what = Run;
  uint64_t number = 0;
};

/// To the compiler, over the socket of a run: first, if all goes well, the runner
/// says that its state is there; then the forker says how its process ended.
struct Word {
  int32_t ended = 0;
  /// As waitpid has it.
  int32_t status = 0;
};

/// Forks a process for each command until the compiler is gone.
[[noreturn]] void serve(const PluginSet &plugins, const SandboxLimits &limits,
                        unsigned threads, int control);

} // namespace llmc::sandbox

#endif // LLMC_LIB_PLUGIN_SANDBOXMEMORY_H
