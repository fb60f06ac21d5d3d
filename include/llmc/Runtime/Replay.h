//===- Replay.h - What the kernels of a decode step could do --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ceiling of a decode step on this machine: its products with weights, one
// after the other, over the weights of the bundle as they are mapped, and a read
// of the bytes of the session's caches that are in use; by the same threads, each
// with the parts it begins with in a step, and one join at the end. Left out is
// what else a step does: the joins between, norms, rotations, the quantization of
// activations, the arithmetic of attention, the choice of a token. A thread does
// not take over the parts of another one, so on a machine with other work decode
// may come closer to this ceiling than it is, and past it.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_RUNTIME_REPLAY_H
#define LLMC_RUNTIME_REPLAY_H

#include "llmc/Runtime/llmc.h"
#include <cstdint>

namespace llmc {

/// Whether the code of the session's entry can be replayed.
bool canReplay(const llmc_session *session);

/// Seconds of `steps` replayed steps, the first of which finds `past` positions
/// in the caches. The session must have run a step of one token, and have room
/// for the positions; its outputs are spoiled, its states stay. 0 where it cannot
/// be replayed or another session has the threads.
double replaySteps(llmc_session *session, int64_t past, int64_t steps);

} // namespace llmc

#endif // LLMC_RUNTIME_REPLAY_H
