//===- Attention.cpp - Caches, and causal attention over them -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Keys lie in blocks of 16 positions, `[size][16]` each, so that the lanes of a
// vector are positions and a score is one chain of fused multiply-adds over the
// head's channels; values lie row by row, so that the lanes are channels.
//
// A cache is read in chunks of 256 positions. The chunk's softmax is complete in
// itself (own maximum, own sum), and chunks are combined in their order:
//   m' = max(m, mc), a = exp(m - m'), b = exp(mc - m'),
//   l = l a + lc b, o = o a + oc b.
// What a row does not see is not multiplied, so that a NaN in it cannot spread,
// and it changes no sum; therefore the bits of a row depend neither on the rows
// that share its tile nor on the division of the work.
//
// A cache holds f32, bf16 or bytes (llmc/Dialect/NN/CacheFormat.h). Elements
// become f32 as they are loaded. Of bytes, the scale of a key multiplies its
// score when the sum over the channels is there, and the scale of a value its
// weight before the values are added: products stay in f32, and a scale is used
// once for a position, not for every channel. Scales lie before the codes of
// their head, at any address, since the codes of an odd capacity have any size.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Dialect/Kern/KernOps.h"
#include "llmc/Dialect/NN/CacheFormat.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringExtras.h"

#include <limits>

using namespace mlir;
using namespace llmc;

using kern::kChunk;
using kern::kKeyBlock;

/// Distance of the rows of scores on the stack, off the distance of cache sets.
static constexpr int64_t kScores = kChunk + 16;

static constexpr int64_t kCacheLine = Emitter::kCacheLine;

/// Steps of the inner loops that are written out.
static constexpr int64_t kUnroll = 4;

static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

namespace {
/// One head of a cache in memory; no scales but in a cache of bytes.
struct CacheHead {
  CacheHead(Emitter &e, Type storage, int64_t channels, Value cache, Value head,
            Value capacity)
      : elements(e.at(cache,
                      e.mul(e.mul(head, capacity),
                            nn::getStoredRowSize(storage, channels)),
                      getStoredBytes(storage))) {
    if (!storage.isInteger(8))
      return;
    scales = elements;
    elements = e.at(scales, e.mul(capacity, nn::kCacheScaleBytes), 1);
  }

  Value elements, scales;
};
} // namespace

/// Encodes `size` numbers of x as bytes, which `store` takes one by one; the
/// scale.
static Value emitToBytes(Emitter &e, Value x, int64_t size,
                         function_ref<void(Value channel, Value code)> store) {
  Type f32 = e.getF32Type(), i32 = e.getI32Type();
  auto number = [&](int64_t value) { return e.splatInt(0, value); };
  Value begin = e.index(0), end = e.index(size);
  // Bits of magnitudes are ordered as they are, and NaN is above all.
  Value most = e.loop(begin, end, 1, {number(0)},
                      [&](Value i, ValueRange previous) -> Emitter::Values {
                        Value bits = e.create<arith::AndIOp>(
                            e.load(i32, e.at(x, i)), number(0x7fffffff));
                        return {e.max(previous[0], bits)};
                      })[0];
  Value finite = e.less(most, number(0x7f800000));
  Value largest = e.create<arith::BitcastOp>(f32, most);
  // The reciprocal of less might overflow.
  Value some = e.create<arith::AndIOp>(
      finite, e.create<arith::CmpFOp>(arith::CmpFPredicate::OGE, largest,
                                      e.f32(0x1p-100)));
  Value inverse = e.create<arith::DivFOp>(
      e.f32(127), e.create<arith::SelectOp>(some, largest, e.f32(1)));
  Value magic = e.f32(0x1.8p23);
  e.loop(begin, end, 1, [&](Value i) {
    Value scaled = e.mul(e.load(f32, e.at(x, i)), inverse);
    // As in getQuantizeRow: nearest, halves to even.
    Value rounded = e.sub(
        e.add(e.create<arith::SelectOp>(some, scaled, e.f32(0)), magic), magic);
    Value code = e.create<arith::FPToSIOp>(i32, rounded);
    code = e.max(e.min(code, number(127)), number(-127));
    store(i, e.create<arith::TruncIOp>(e.getI8Type(), code));
  });
  Value scale = e.create<arith::SelectOp>(
      some, e.mul(largest, e.f32(1.0 / 127)), e.f32(0));
  return e.create<arith::SelectOp>(
      finite, scale, e.f32(std::numeric_limits<double>::quiet_NaN()));
}

/// Of the names of kernels for caches that are not f32.
static std::string suffixOf(Type storage) {
  return storage.isF32() ? "" : storage.isBF16() ? "_bf16" : "_i8";
}

func::FuncOp KernelLibrary::getAppend(bool keys, int64_t heads, int64_t size,
                                      Type storage) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  return getOrCreate(
      std::string("kern_append_") + (keys ? "keys_" : "values_") +
          std::to_string(heads) + "x" + std::to_string(size) +
          suffixOf(storage),
      {pointer, pointer, index, index, index},
      [&](Emitter &e, ValueRange args) {
        Value x = args[0], cache = args[1], capacity = args[2],
              position = args[3], row = args[4];
        Value to = e.add(position, row);
        // Unsigned, so that a negative position is dropped as well.
        Value inside =
            e.create<arith::CmpIOp>(arith::CmpIPredicate::ult, to, capacity);
        e.ifThen(inside, [&] {
          Value from = e.at(x, e.mul(row, heads * size));
          Value block = e.mul(e.floorDiv(to, e.index(kKeyBlock)), kKeyBlock);
          Value distance =
              keys ? e.min(e.sub(capacity, block), e.index(kKeyBlock))
                   : e.index(1);
          e.loop(e.index(0), e.index(heads), 1, [&](Value head) {
            CacheHead place(e, storage, size, cache, head, capacity);
            Value offset = keys ? e.add(e.mul(block, size), e.sub(to, block))
                                : e.mul(to, size);
            int64_t bytes = getStoredBytes(storage);
            Value target = e.at(place.elements, offset, bytes);
            Value source = e.at(from, e.mul(head, size));
            auto store = [&](Value i, Value element) {
              e.store(element, e.at(target, e.mul(i, distance), bytes), bytes);
            };
            if (storage.isInteger(8)) {
              Value scale = emitToBytes(e, source, size, store);
              e.store(scale, e.at(place.scales, to), 1);
              return;
            }
            e.loop(e.index(0), e.index(size), 1, [&](Value i) {
              Value x = e.load(e.getF32Type(), e.at(source, i));
              store(i, storage.isBF16() ? emitToBf16(e, 0, x) : x);
            });
          });
        });
      });
}

func::FuncOp KernelLibrary::getAppendFetch(bool keys, int64_t heads,
                                           int64_t size, Type storage) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  return getOrCreate(
      std::string("kern_append_fetch_") + (keys ? "keys_" : "values_") +
          std::to_string(heads) + "x" + std::to_string(size) +
          suffixOf(storage),
      {pointer, index, index}, [&](Emitter &e, ValueRange args) {
        Value cache = args[0], capacity = args[1], position = args[2];
        int64_t together = keys ? kKeyBlock : 1,
                bytes = together * size * getStoredBytes(storage);
        Value begin = e.mul(e.floorDiv(position, e.index(together)), together);
        auto fetch = [&](Value address) {
          e.prefetch(address, Emitter::kFirstLevel, /*writes=*/true);
        };
        e.loop(e.index(0), e.index(heads), 1, [&](Value head) {
          CacheHead place(e, storage, size, cache, head, capacity);
          Value from =
              e.at(place.elements, e.mul(begin, size), getStoredBytes(storage));
          // A row may lie across a line more than it is long.
          for (int64_t i = 0; i < bytes; i += kCacheLine)
            fetch(e.at(from, i, 1));
          fetch(e.at(from, bytes - 1, 1));
          if (place.scales)
            fetch(e.at(place.scales, position));
        });
      });
}

static std::string nameOf(const AttentionShape &shape) {
  std::string name;
  llvm::raw_string_ostream stream(name);
  stream << "kern_attention_" << shape.heads << "x" << shape.keySize << "_"
         << shape.keyHeads << "x" << shape.valueSize << suffixOf(shape.storage)
         << "_s" << llvm::utohexstr(llvm::bit_cast<uint64_t>(shape.scale));
  if (shape.window)
    stream << "_w" << *shape.window;
  if (shape.softcap)
    stream << "_c" << llvm::utohexstr(llvm::bit_cast<uint64_t>(*shape.softcap));
  return name;
}

namespace {
/// Maximum and sum after one more chunk, and the weights with which the outputs
/// so far and those of the chunk are joined.
struct Merged {
  Merged(Emitter &e, int64_t lanes, Value oldMost, Value oldSum,
         Value chunkMost, Value chunkSum)
      : most(e.max(oldMost, chunkMost)) {
    // Where nothing was seen yet all three are minus infinity.
    Value nothing = e.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, most,
                                            e.splat(lanes, kMinusInfinity));
    Value shift = e.create<arith::SelectOp>(nothing, e.splat(lanes, 0), most);
    keep = emitExp(e, e.sub(oldMost, shift));
    take = emitExp(e, e.sub(chunkMost, shift));
    sum = e.fma(oldSum, keep, e.mul(chunkSum, take));
  }

  Value most, sum, keep, take;
};

/// Stores the outputs of a row: sums over the total, or over 1 where nothing was
/// seen.
void emitQuotients(Emitter &e, int64_t lanes, int64_t size, ValueRange sums,
                   Value total, Value to) {
  Value nothing =
      e.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, total, e.f32(0));
  Value divisor =
      e.broadcast(e.create<arith::SelectOp>(nothing, e.f32(1), total), lanes);
  for (auto [j, sum] : llvm::enumerate(sums)) {
    Value value = e.create<arith::DivFOp>(sum, divisor);
    int64_t at = j * lanes;
    if (size - at < lanes)
      e.storeMasked(value, e.at(to, at),
                    e.mask(lanes, e.splatInt(0, size - at)));
    else
      e.store(value, e.at(to, at));
  }
}

/// The body of a tile kernel, step by step.
class AttentionTile {
public:
  AttentionTile(Emitter &e, const AttentionShape &shape, int64_t tile,
                const Target &target)
      : e(e), shape(shape), tile(tile), bytes(getStoredBytes(shape.storage)),
        lanes(std::min(target.lanes(), kKeyBlock)), parts(kKeyBlock / lanes),
        valueVectors(llvm::divideCeil(shape.valueSize, lanes)),
        padded(valueVectors * lanes), places(llvm::alignTo(tile, lanes)),
        group(shape.heads / shape.keyHeads),
        together(std::clamp<int64_t>((target.registers - 1) / (tile + 1), 1,
                                     valueVectors)) {
    // Chains in flight hide the latency of one instruction, and a query that
    // was read serves several: as many as the registers hold.
    blocks = 1;
    while (blocks < 4 && (tile + 1) * parts * blocks * 2 < target.registers)
      blocks *= 2;
  }

  /// Of getAttentionTile: all chunks, one after another.
  void emit(ValueRange args) {
    emitQueries(args);
    Value o = args[3];
    for (int64_t i = 0; i < places; i += lanes) {
      e.store(e.splat(lanes, kMinusInfinity), at(Most, i));
      e.store(e.splat(lanes, 0), at(Sum, i));
      // Of rows that fill the last vector; they must not become NaN.
      e.store(e.splat(lanes, 0), at(ChunkMost, i));
      e.store(e.splat(lanes, 0), at(ChunkSum, i));
    }
    e.loop(e.index(0), e.index(tile * padded), lanes,
           [&](Value i) { e.store(e.splat(lanes, 0), e.at(outputs, i)); });

    Value zero = e.index(0), begin = zero;
    Value end =
        e.min(e.add(e.add(position, timeOf(tile - 1)), e.index(1)), capacity);
    if (shape.window) {
      Value first = e.max(
          e.sub(e.add(position, timeOf(0)), e.index(*shape.window - 1)), zero);
      begin = e.mul(e.floorDiv(first, e.index(kChunk)), kChunk);
    }
    e.loop(begin, end, kChunk, [&](Value chunk) {
      Value count = e.min(e.sub(end, chunk), e.index(kChunk));
      emitScores(chunk, count);
      e.loop(e.index(0), e.index(tile), 1,
             [&](Value i) { emitSoftmax(i, chunk, count); });
      emitMerge();
      emitValues(chunk, count, [&](int64_t i, int64_t first, ValueRange sums) {
        Value keep = e.broadcast(e.load(e.getF32Type(), at(Keep, i)), lanes);
        Value take = e.broadcast(e.load(e.getF32Type(), at(Take, i)), lanes);
        for (auto [j, sum] : llvm::enumerate(sums)) {
          Value place = e.at(outputs, i * padded + (first + j) * lanes);
          Value old = e.load(e.vectorType(lanes), place);
          e.store(e.fma(old, keep, e.mul(sum, take)), place);
        }
      });
    });
    e.loop(e.index(0), e.index(tile), 1, [&](Value i) {
      Value from = e.at(outputs, e.mul(i, padded));
      Emitter::Values sums;
      for (int64_t j = 0; j < valueVectors; ++j)
        sums.push_back(e.load(e.vectorType(lanes), e.at(from, j * lanes)));
      emitQuotients(e, lanes, shape.valueSize, sums,
                    e.load(e.getF32Type(), e.at(at(Sum, 0), i)),
                    e.at(o, e.mul(placeOf(i), shape.valueSize)));
    });
  }

  /// Of getAttentionChunkTile: one chunk, for rows of the first time.
  void emitChunk(ValueRange args) {
    emitQueries(args);
    Value chunk = e.mul(args[8], kChunk);
    Value end = e.min(e.add(position, e.index(1)), capacity);
    Value count = e.min(e.sub(end, chunk), e.index(kChunk));
    planPrefetches(args[1], chunk, end);
    emitScores(chunk, count);
    e.loop(e.index(0), e.index(tile), 1,
           [&](Value i) { emitSoftmax(i, chunk, count); });
    auto rowOf = [&](int64_t i) {
      Value row = e.add(e.mul(args[8], shape.heads), placeOf(e.index(i)));
      return e.at(args[3], e.mul(row, kern::getChunkRow(shape.valueSize)));
    };
    emitValues(chunk, count, [&](int64_t i, int64_t first, ValueRange sums) {
      Value row = rowOf(i);
      for (auto [j, sum] : llvm::enumerate(sums))
        e.store(sum, e.at(row, (first + j) * lanes));
    });
    for (int64_t i = 0; i < tile; ++i) {
      Value row = rowOf(i);
      int64_t place = kern::getChunkRow(shape.valueSize) - 16;
      for (State each : {ChunkMost, ChunkSum})
        e.store(e.load(e.getF32Type(), at(each, i)), e.at(row, place++));
    }
  }

private:
  /// What is kept of each row beside its outputs, `places` numbers each.
  enum State { Most, Sum, ChunkMost, ChunkSum, Keep, Take, kStates };
  Value at(State which, int64_t i) { return e.at(state, which * places + i); }

  /// Takes the arguments that all kernels begin with, and the scaled queries.
  void emitQueries(ValueRange args) {
    capacity = args[4];
    position = args[5];
    head = args[6];
    firstRow = args[7];
    CacheHead keyHead(e, shape.storage, shape.keySize, args[1], head, capacity);
    CacheHead valueHead(e, shape.storage, shape.valueSize, args[2], head,
                        capacity);
    keys = keyHead.elements, keyScales = keyHead.scales;
    values = valueHead.elements, valueScales = valueHead.scales;
    queries = e.stack(tile * shape.keySize);
    scores = e.stack(tile * kScores);
    outputs = e.stack(tile * padded);
    state = e.stack(kStates * places);
    e.loop(e.index(0), e.index(tile), 1, [&](Value i) {
      Value from = e.at(args[0], e.mul(placeOf(i), shape.keySize));
      Value to = e.at(queries, e.mul(i, shape.keySize));
      e.loop(e.index(0), e.index(shape.keySize), 1, [&](Value d) {
        e.store(
            e.mul(e.load(e.getF32Type(), e.at(from, d)), e.f32(shape.scale)),
            e.at(to, d));
      });
    });
  }

  /// One row reads a cache but once, in pieces too short for the processor to
  /// run ahead in. So the first keys are fetched at once, the others and the
  /// values while scores are computed, and the keys of the item that follows
  /// while values are summed.
  void planPrefetches(Value cache, Value chunk, Value end) {
    Value keysHere = e.at(keys, e.mul(chunk, shape.keySize), bytes);
    for (int64_t i = 0, size = blocks * kKeyBlock * shape.keySize * bytes;
         i < size; i += kCacheLine)
      e.prefetch(e.at(keysHere, i, 1));
    fetchedValues = e.at(values, e.mul(chunk, shape.valueSize), bytes);
    // Items follow each other as their chunks lie: those of one head first.
    Value zero = e.index(0), after = e.add(chunk, kChunk), first = zero;
    if (shape.window)
      first = e.mul(
          e.floorDiv(e.max(e.sub(position, e.index(*shape.window - 1)), zero),
                     e.index(kChunk)),
          kChunk);
    Value goesOn = e.less(after, end);
    Value begin = e.create<arith::SelectOp>(goesOn, after, first);
    Value other = e.min(e.add(head, 1), e.index(shape.keyHeads - 1));
    CacheHead next(e, shape.storage, shape.keySize, cache,
                   e.create<arith::SelectOp>(goesOn, head, other), capacity);
    fetchedKeys = e.at(next.elements, e.mul(begin, shape.keySize), bytes);
    // Of positions that nobody sees, nothing is fetched.
    fetchedCount = e.sub(end, begin);
    if (valueScales)
      for (auto [scales, at] : {std::pair{keyScales, chunk},
                                {valueScales, chunk},
                                {next.scales, begin}})
        for (int64_t i = 0; i < kChunk; i += kCacheLine / nn::kCacheScaleBytes)
          e.prefetch(e.at(e.at(scales, at), i));
  }

  /// Where row i of the tile stands among [time][head].
  Value placeOf(Value i) {
    Value index = e.add(firstRow, i);
    Value time = e.floorDiv(index, e.index(group));
    return e.add(e.add(e.mul(time, shape.heads), e.mul(head, group)),
                 e.sub(index, e.mul(time, group)));
  }

  /// The time of row i of the tile, relative to `position`.
  Value timeOf(int64_t i) {
    return e.floorDiv(e.add(firstRow, i), e.index(group));
  }

  /// Scores of `number` blocks from position `at` of the chunk on. The last
  /// block of a head may be narrower: `narrow`.
  void emitBlocks(Value chunk, Value at, int64_t number, Value count,
                  Value narrow) {
    Value from = e.at(keys, e.mul(e.add(chunk, at), shape.keySize), bytes);
    Value distance = narrow ? narrow : e.index(kKeyBlock);
    Emitter::Values masks;
    if (narrow)
      for (int64_t part = 0; part < parts; ++part)
        masks.push_back(
            e.mask(lanes, e.toInt32(e.sub(narrow, e.index(part * lanes)))));
    Emitter::Values sums(tile * number * parts, e.splat(lanes, 0));
    // Each step fetches its share of the values of these positions, and of the
    // keys of those behind them.
    Value fetched, fetchedLater;
    int64_t positions = number * kKeyBlock;
    int64_t share =
        llvm::divideCeil(positions * shape.valueSize * bytes, shape.keySize);
    if (fetchedValues) {
      fetched = e.at(fetchedValues, e.mul(at, shape.valueSize), bytes);
      Value behind = e.add(at, positions);
      Value some = e.less(behind, count);
      fetchedLater =
          e.at(from,
               e.create<arith::SelectOp>(
                   some, e.index(positions * shape.keySize), e.index(0)),
               bytes);
    }
    auto step = [&](Value d, ValueRange previous) {
      Emitter::Values next(previous), loaded;
      for (int64_t i = 0; fetched && i < share; i += kCacheLine)
        e.prefetch(e.at(fetched, e.add(e.mul(d, share), i), 1));
      for (int64_t i = 0; fetched && i < positions * bytes; i += kCacheLine)
        e.prefetch(
            e.at(fetchedLater, e.add(e.mul(d, positions * bytes), i), 1));
      Value line = e.at(from, e.mul(d, distance), bytes);
      for (int64_t block = 0; block < number; ++block)
        for (int64_t part = 0; part < parts; ++part) {
          Value pointer = e.at(
              line, block * kKeyBlock * shape.keySize + part * lanes, bytes);
          loaded.push_back(emitLoadStored(e, shape.storage, lanes, pointer,
                                          narrow ? masks[part] : Value()));
        }
      Value query = e.at(queries, d);
      for (int64_t i = 0; i < tile; ++i) {
        Value value = e.broadcast(
            e.load(e.getF32Type(), e.at(query, i * shape.keySize)), lanes);
        for (int64_t j = 0; j < number * parts; ++j) {
          Value &sum = next[i * number * parts + j];
          sum = e.fma(value, loaded[j], sum);
        }
      }
      return next;
    };
    sums = e.unrolled(e.index(0), e.index(shape.keySize), kUnroll, sums, step);
    for (int64_t j = 0; keyScales && j < number * parts; ++j) {
      Value place = e.at(e.at(keyScales, e.add(chunk, at)), j * lanes);
      Value scale = narrow ? e.loadMasked(lanes, place, masks[j], 1)
                           : e.load(e.vectorType(lanes), place, 1);
      for (int64_t i = 0; i < tile; ++i) {
        Value &sum = sums[i * number * parts + j];
        sum = e.mul(sum, scale);
      }
    }
    Value to = e.at(scores, at);
    for (int64_t i = 0; i < tile; ++i)
      for (int64_t j = 0; j < number * parts; ++j)
        e.store(sums[i * number * parts + j],
                e.at(to, i * kScores + j * lanes));
  }

  void emitScores(Value chunk, Value count) {
    // Whole blocks of this chunk that hold something to see.
    Value whole =
        e.mul(e.min(e.ceilDiv(count, e.index(kKeyBlock)),
                    e.floorDiv(e.sub(capacity, chunk), e.index(kKeyBlock))),
              kKeyBlock);
    Value main = blocks == 1
                     ? e.index(0)
                     : e.mul(e.floorDiv(whole, e.index(blocks * kKeyBlock)),
                             blocks * kKeyBlock);
    if (blocks > 1)
      e.loop(e.index(0), main, blocks * kKeyBlock,
             [&](Value at) { emitBlocks(chunk, at, blocks, count, Value()); });
    e.loop(main, whole, kKeyBlock,
           [&](Value at) { emitBlocks(chunk, at, 1, count, Value()); });
    e.ifThen(e.less(whole, count), [&] {
      emitBlocks(chunk, whole, 1, count, e.sub(e.sub(capacity, chunk), whole));
    });
  }

  /// Turns row i of scores into weights; notes their maximum and sum.
  void emitSoftmax(Value i, Value chunk, Value count) {
    Value line = e.at(scores, e.mul(i, kScores));
    Value time = e.floorDiv(e.add(firstRow, i), e.index(group));
    Value limit = e.sub(e.add(e.add(position, time), e.index(1)), chunk);
    Value last = e.broadcast(e.toInt32(limit), lanes), first;
    if (shape.window)
      first =
          e.broadcast(e.toInt32(e.sub(limit, e.index(*shape.window))), lanes);
    Value lane = e.iota(lanes);
    Value most = e.loop(
        e.index(0), count, lanes, {e.splat(lanes, kMinusInfinity)},
        [&](Value at, ValueRange previous) -> Emitter::Values {
          Value score = e.load(e.vectorType(lanes), e.at(line, at));
          if (shape.softcap) {
            Value scaled = e.mul(score, e.splat(lanes, 1 / *shape.softcap));
            score = e.mul(emitTanh(e, scaled), e.splat(lanes, *shape.softcap));
          }
          Value index = e.add(lane, e.broadcast(e.toInt32(at), lanes));
          Value seen = e.less(index, last);
          if (first)
            seen = e.create<arith::AndIOp>(
                seen, e.create<arith::CmpIOp>(arith::CmpIPredicate::sge, index,
                                              first));
          score = e.create<arith::SelectOp>(seen, score,
                                            e.splat(lanes, kMinusInfinity));
          e.store(score, e.at(line, at));
          return {e.max(previous[0], score)};
        })[0];
    Value chunkMost = e.reduceMax(most);
    Value nothing = e.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ,
                                            chunkMost, e.f32(kMinusInfinity));
    Value shift = e.broadcast(
        e.create<arith::SelectOp>(nothing, e.f32(0), chunkMost), lanes);
    Value sum =
        e.loop(e.index(0), count, lanes, {e.splat(lanes, 0)},
               [&](Value at, ValueRange previous) -> Emitter::Values {
                 Value place = e.at(line, at);
                 Value power = emitExp(
                     e, e.sub(e.load(e.vectorType(lanes), place), shift));
                 e.store(power, place);
                 return {e.add(previous[0], power)};
               })[0];
    if (valueScales)
      emitValueScales(line, chunk, count);
    Value chunkSum = e.reduceAdd(sum);
    e.store(chunkMost, e.at(at(ChunkMost, 0), i));
    e.store(chunkSum, e.at(at(ChunkSum, 0), i));
  }

  /// Multiplies the weights of a row by the scales of their values. Where nothing
  /// is seen a scale may be anything, and so may the product: nobody reads it.
  void emitValueScales(Value line, Value chunk, Value count) {
    Value from = e.at(valueScales, chunk);
    Value main = e.mul(e.floorDiv(count, e.index(lanes)), lanes);
    auto multiply = [&](Type type) {
      return [&, type](Value at) {
        Value place = e.at(line, at);
        e.store(e.mul(e.load(type, place), e.load(type, e.at(from, at), 1)),
                place);
      };
    };
    e.loop(e.index(0), main, lanes, multiply(e.vectorType(lanes)));
    e.loop(main, count, 1, multiply(e.getF32Type()));
  }

  /// Moves maximum and sum of all rows on, and notes the weights with which
  /// the outputs so far and those of the chunk are joined.
  void emitMerge() {
    for (int64_t i = 0; i < places; i += lanes) {
      auto get = [&](State which) {
        return e.load(e.vectorType(lanes), at(which, i));
      };
      Merged merged(e, lanes, get(Most), get(Sum), get(ChunkMost),
                    get(ChunkSum));
      e.store(merged.most, at(Most, i));
      e.store(merged.sum, at(Sum, i));
      e.store(merged.keep, at(Keep, i));
      e.store(merged.take, at(Take, i));
    }
  }

  /// The places of the chunk that row i of the tile sees: [first, second).
  std::pair<Value, Value> seenBy(int64_t i, Value chunk) {
    Value end = e.sub(e.add(e.add(position, timeOf(i)), e.index(1)), chunk);
    return {shape.window ? e.sub(end, e.index(*shape.window)) : e.index(0),
            end};
  }

  /// Sums the chunk's weighted values. `use` gets those of row i from vector
  /// `first` on.
  void emitValues(
      Value chunk, Value count,
      function_ref<void(int64_t i, int64_t first, ValueRange sums)> use) {
    // What all rows see lies between what only some see.
    SmallVector<std::pair<Value, Value>> seen;
    for (int64_t i = 0; i < tile; ++i)
      seen.push_back(seenBy(i, chunk));
    auto clamp = [&](Value value, Value low) {
      return e.min(e.max(value, low), count);
    };
    Value begin = clamp(seen.front().first, e.index(0));
    Value allBegin = clamp(seen.back().first, begin);
    Value allEnd = clamp(seen.front().second, allBegin);
    Value from = e.at(values, e.mul(chunk, shape.valueSize), bytes);
    for (int64_t first = 0; first < valueVectors; first += together) {
      int64_t number = std::min(together, valueVectors - first);
      Value tail;
      if (padded != shape.valueSize && first + number == valueVectors)
        tail = e.mask(
            lanes, e.splatInt(0, shape.valueSize - (valueVectors - 1) * lanes));
      Emitter::Values sums(tile * number, e.splat(lanes, 0));
      auto step = [&](Value t, ValueRange previous, bool all) {
        Emitter::Values next(previous), loaded;
        if (fetchedKeys && all && first == 0) {
          int64_t size = shape.keySize * bytes;
          Value place = e.mul(e.min(t, fetchedCount), size);
          for (int64_t i = 0; i < size; i += kCacheLine)
            e.prefetch(e.at(fetchedKeys, e.add(place, i), 1));
        }
        Value line = e.at(e.at(from, e.mul(t, shape.valueSize), bytes),
                          first * lanes, bytes);
        for (int64_t j = 0; j < number; ++j)
          loaded.push_back(emitLoadStored(
              e, shape.storage, lanes, e.at(line, j * lanes, bytes),
              tail && j == number - 1 ? tail : Value()));
        Value powers = e.at(scores, t);
        for (int64_t i = 0; i < tile; ++i) {
          Value power = e.broadcast(
              e.load(e.getF32Type(), e.at(powers, i * kScores)), lanes);
          Value sees;
          if (!all) {
            sees = e.less(t, seen[i].second);
            if (shape.window)
              sees = e.create<arith::AndIOp>(
                  sees, e.create<arith::CmpIOp>(arith::CmpIPredicate::sge, t,
                                                seen[i].first));
          }
          for (int64_t j = 0; j < number; ++j) {
            Value &sum = next[i * number + j];
            Value more = e.fma(power, loaded[j], sum);
            sum = all ? more : e.create<arith::SelectOp>(sees, more, sum);
          }
        }
        return next;
      };
      auto some = [&](Value t, ValueRange v) { return step(t, v, false); };
      auto all = [&](Value t, ValueRange v) { return step(t, v, true); };
      if (shape.window)
        sums = e.loop(begin, allBegin, 1, sums, some);
      sums = e.unrolled(allBegin, allEnd, kUnroll, sums, all);
      if (tile > 1)
        sums = e.loop(allEnd, count, 1, sums, some);
      for (int64_t i = 0; i < tile; ++i)
        use(i, first, ArrayRef<Value>(sums).slice(i * number, number));
    }
  }

  Emitter &e;
  const AttentionShape &shape;
  int64_t tile, bytes;  ///< `bytes` of an element of the cache
  int64_t lanes, parts; ///< `parts` vectors make one block of keys
  int64_t valueVectors, padded, places, group, together, blocks;
  Value capacity, position, head, firstRow, keys, keyScales, values,
      valueScales;
  /// On the stack: scaled queries [tile][size], scores [tile][kScores], outputs
  /// [tile][padded], and the states [kStates][places].
  Value queries, scores, outputs, state;
  /// What is fetched before it is needed: null where nothing is.
  Value fetchedValues, fetchedKeys, fetchedCount;
};
} // namespace

/// As getAttention, with one row index in place of the range.
func::FuncOp KernelLibrary::getAttentionTile(const AttentionShape &shape,
                                             int64_t tile) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  return getOrCreate(
      nameOf(shape) + "_m" + std::to_string(tile),
      {pointer, pointer, pointer, pointer, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        AttentionTile(e, shape, tile, target).emit(args);
      });
}

/// Of `tiles`, the largest first, those that cover any multiple of `step` rows:
/// the first does most of them, and few others can be what is left.
static SmallVector<int64_t> chooseTiles(ArrayRef<int64_t> tiles, int64_t step) {
  SmallVector<int64_t> fitting{tiles.front()}, chosen;
  for (int64_t tile : tiles.drop_front())
    if (tile % step == 0 || step % tile == 0)
      fitting.push_back(tile);
  SmallVector<bool> needed(fitting.size());
  // What is left by the first repeats after as many steps as it has rows.
  for (int64_t steps = 1; steps <= tiles.front(); ++steps) {
    int64_t left = steps * step;
    for (auto [i, tile] : llvm::enumerate(fitting)) {
      needed[i] |= left >= tile;
      left %= tile;
    }
  }
  for (auto [tile, isNeeded] : llvm::zip_equal(fitting, needed))
    if (isNeeded)
      chosen.push_back(tile);
  return chosen;
}

func::FuncOp KernelLibrary::getAttention(const AttentionShape &shape,
                                         int64_t rowStep) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  SmallVector<int64_t> tiles = chooseTiles(target.rowTiles(kKeyBlock), rowStep);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t tile : tiles)
    kernels[tile] = getAttentionTile(shape, tile);
  return getOrCreate(
      nameOf(shape) + "_by" + std::to_string(rowStep),
      {pointer, pointer, pointer, pointer, index, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        e.cover(tiles, args[7], args[8], [&](int64_t tile, Value row) {
          Emitter::Values operands(args.take_front(7));
          operands.push_back(row);
          e.create<func::CallOp>(kernels[tile], operands);
        });
      });
}

/// As getAttentionChunk, with one row index before the chunk.
func::FuncOp KernelLibrary::getAttentionChunkTile(const AttentionShape &shape,
                                                  int64_t tile) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  return getOrCreate(
      nameOf(shape) + "_chunk_m" + std::to_string(tile),
      {pointer, pointer, pointer, pointer, index, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        AttentionTile(e, shape, tile, target).emitChunk(args);
      });
}

func::FuncOp KernelLibrary::getAttentionChunk(const AttentionShape &shape) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  // The rows are few and known: the tiles that cover them, one by one.
  SmallVector<int64_t> tiles;
  int64_t left = shape.heads / shape.keyHeads;
  for (int64_t tile : target.rowTiles(kKeyBlock))
    for (; left >= tile; left -= tile)
      tiles.push_back(tile);
  llvm::SmallDenseMap<int64_t, func::FuncOp> kernels;
  for (int64_t tile : tiles)
    kernels[tile] = getAttentionChunkTile(shape, tile);
  return getOrCreate(
      nameOf(shape) + "_chunk",
      {pointer, pointer, pointer, pointer, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        int64_t row = 0;
        for (int64_t tile : tiles) {
          Emitter::Values operands(args.take_front(7));
          operands.append({e.index(row), args[7]});
          e.create<func::CallOp>(kernels[tile], operands);
          row += tile;
        }
      });
}

func::FuncOp KernelLibrary::getAttentionJoin(int64_t heads, int64_t valueSize) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  // The lanes of a tile kernel, so that a head's sums are whole vectors.
  int64_t lanes = std::min(target.lanes(), kKeyBlock),
          vectors = llvm::divideCeil(valueSize, lanes),
          row = kern::getChunkRow(valueSize);
  return getOrCreate(
      "kern_attention_join_" + std::to_string(heads) + "x" +
          std::to_string(valueSize),
      {pointer, pointer, index, index, index, index},
      [&](Emitter &e, ValueRange args) {
        e.loop(args[4], args[5], 1, [&](Value head) {
          // Maximum, sum, and the outputs.
          Emitter::Values state(2 + vectors, e.splat(lanes, 0));
          state[0] = e.splat(lanes, kMinusInfinity);
          state = e.loop(
              args[2], args[3], 1, state,
              [&](Value chunk, ValueRange before) -> Emitter::Values {
                Value from =
                    e.at(args[0], e.mul(e.add(e.mul(chunk, heads), head), row));
                auto number = [&](int64_t place) {
                  return e.broadcast(e.load(e.getF32Type(), e.at(from, place)),
                                     lanes);
                };
                Merged merged(e, lanes, before[0], before[1], number(row - 16),
                              number(row - 15));
                Emitter::Values next{merged.most, merged.sum};
                for (int64_t j = 0; j < vectors; ++j) {
                  Value sum =
                      e.load(e.vectorType(lanes), e.at(from, j * lanes));
                  next.push_back(e.fma(before[2 + j], merged.keep,
                                       e.mul(sum, merged.take)));
                }
                return next;
              });
          emitQuotients(e, lanes, valueSize,
                        ArrayRef<Value>(state).drop_front(2),
                        e.create<vector::ExtractOp>(state[1], 0),
                        e.at(args[1], e.mul(head, valueSize)));
        });
      });
}
