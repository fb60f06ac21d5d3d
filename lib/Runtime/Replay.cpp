//===- Replay.cpp - What the kernels of a decode step could do ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Replay.h"
#include "Session.h"
#include "llmc/Runtime/Stream.h"
#include <algorithm>
#include <atomic>
#include <cstring>
#include <ctime>

using namespace llmc;

namespace {

/// Pieces of a state that lie one behind the other, `stride` bytes apart.
struct Pieces {
  const char *data = nullptr;
  int64_t count = 1;
  /// Bytes of one position, or of a whole state that has no positions.
  uint64_t row = 0;
  int64_t positions = 1;
  bool grows = false;
};

struct Step {
  llmc_session *session;
  std::vector<Pieces> caches;
  std::vector<int64_t> symbols;
  int64_t past = 0, parts = 1;
  std::atomic<uint64_t> sum{0};
};

} // namespace

/// The states of a session. A cache keeps its heads before its positions, and
/// what is in use of each stands together, whatever the order within.
static std::vector<Pieces> findCaches(const llmc_session &session) {
  std::vector<Pieces> caches;
  const EntrySpec &entry = *session.entry;
  int context = entry.symbol("context");
  size_t buffer = entry.inputs.size() + entry.outputs.size();
  const int64_t *dims = session.dims.data();
  for (auto *list : {&entry.inputs, &entry.outputs})
    for (const TensorSpec &tensor : *list)
      dims += tensor.shape.size();
  for (const TensorSpec &state : entry.states) {
    Pieces pieces;
    pieces.data = static_cast<const char *>(session.buffers[buffer++]);
    pieces.row = elementBytes(state.dtype);
    for (size_t i = 0; i != state.shape.size(); ++i) {
      bool here = context >= 0 && state.shape[i].symbol == context;
      if (here && !pieces.grows) {
        pieces.count = pieces.row / elementBytes(state.dtype);
        pieces.row = elementBytes(state.dtype);
        pieces.positions = dims[i];
        pieces.grows = true;
      } else {
        pieces.row *= dims[i];
      }
    }
    dims += state.shape.size();
    caches.push_back(pieces);
  }
  return caches;
}

/// Part `part` of a step.
static void replayPart(Step &step, int64_t part) {
  llmc_session &session = *step.session;
  session.code.replay(nullptr, step.symbols.data(), session.buffers.data(),
                      session.model->weights, session.arena.data(), part,
                      step.parts);
  uint64_t sum = 0;
  for (const Pieces &cache : step.caches) {
    // Attention divides the positions of each head, in whole chunks; here the
    // parts are equal.
    int64_t used = cache.grows ? std::min(step.past + 1, cache.positions) : 1;
    int64_t share = used / step.parts, more = used % step.parts;
    int64_t first = share * part + std::min(part, more);
    int64_t count = share + (part < more);
    for (int64_t i = 0; i != cache.count; ++i)
      sum += sumOfBytes(cache.data + (i * cache.positions + first) * cache.row,
                        count * cache.row);
  }
  step.sum += sum;
}

static double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

bool llmc::canReplay(const llmc_session *session) {
  return session->code.replay;
}

double llmc::replaySteps(llmc_session *session, int64_t past, int64_t steps) {
  Team &team = *session->model->team;
  if (!canReplay(session) || !team.tryAcquire())
    return 0;
  Step step;
  step.session = session;
  step.caches = findCaches(*session);
  step.symbols = session->symbols;
  step.parts = session->threads;
  // Products over numbers left behind by others could meet denormal ones, which
  // some processors are slow with.
  session->arena.clear();
  auto body = [](void *arg, int64_t begin, int64_t end) {
    for (int64_t part = begin; part != end; ++part)
      replayPart(*static_cast<Step *>(arg), part);
  };
  double start = 0;
  // The step before the first touches the memory that is zero now.
  for (int64_t i = -1; i != steps; ++i) {
    if (i == 0)
      start = now();
    step.past = past + std::max<int64_t>(i, 0);
    if (session->past >= 0)
      step.symbols[session->past] = step.past;
    team.parallelFor(body, &step, step.parts, session->threads);
  }
  double seconds = now() - start;
  team.release();
  return seconds;
}
