//===- QuantizedTile.cpp - Reads tiles of compressed matrices -------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "QuantizedTile.h"

using namespace mlir;
using namespace llmc;

/// A group of at most so many units is written out; a longer one is a loop.
static constexpr int64_t kUnrolledUnits = 2;

/// Unpacking takes about as long as memory does: only what was asked for before
/// comes meanwhile. So many bytes are on their way.
static constexpr int64_t kAhead = 2560;

Emitter::Values TileWalker::walk(Value tile, Value first, Value last,
                                 Value tail, Emitter::Values values) {
  const PackedLayout &layout = shape.layout;
  Value records = e.at(tile, layout.headBytes, 1);
  fetch(tile, layout.headBytes);
  if (shape.cutsRecords()) {
    addUnits(layout.lastRecord, tile, records, first, last, e.index(0), values);
    return values;
  }
  values = e.loop(first, last, 1, values, [&](Value r, ValueRange previous) {
    Emitter::Values next(previous);
    Value record = e.at(records, e.mul(r, layout.record.bytes), 1);
    Value unit = e.mul(e.sub(r, first), layout.record.units);
    addRecord(layout.record, tile, record, unit, next);
    return next;
  });
  if (!shape.hasTail())
    return values;
  Value record = e.at(records, e.mul(last, layout.record.bytes), 1);
  Value unit = e.mul(e.sub(last, first), layout.record.units);
  // One turn or none.
  return e.loop(e.index(0), tail, 1, values, [&](Value, ValueRange previous) {
    Emitter::Values next(previous);
    addRecord(layout.lastRecord, tile, record, unit, next);
    return next;
  });
}

void TileWalker::addRecord(const RecordPlan &plan, Value head, Value record,
                           Value unit, Emitter::Values &values) {
  if (sums)
    return addGroups(plan, head, record, unit, values);
  int64_t groupColumns = shape.layout.groups == 1 ? plan.units * kUnitColumns
                                                  : shape.format.groupSize;
  if (plan.groups == 1 && plan.units > kUnrolledUnits) {
    fetch(record, plan.bytes);
    return addUnits(plan, head, record, e.index(0), e.index(plan.units), unit,
                    values);
  }
  SmallVector<std::pair<std::pair<int64_t, int64_t>, FinishUnit>> begun;
  auto finish = [&] {
    for (auto &[groups, finishUnit] : begun) {
      auto [first, last] = groups;
      auto chains = codes.loadChains(plan, head, record, first);
      if (first == last) {
        finishUnit({&chains}, values);
        continue;
      }
      auto second = codes.loadChains(plan, head, record, last);
      finishUnit({&chains, &second}, values);
    }
    begun.clear();
  };
  for (int64_t u = 0; u < plan.units; ++u) {
    fetch(record, plan.bytes, u, plan.units);
    int64_t first = u * kUnitColumns / groupColumns,
            last = std::min((u * kUnitColumns + 16) / groupColumns,
                            plan.groups - 1);
    begun.push_back({{first, last},
                     visit(codes.atUnit(record, u), e.add(unit, u),
                           first == last ? 1 : 2)});
    if (!reading.inOrder)
      finish();
  }
  if (!reading.inOrder)
    return;
  keepOrder();
  finish();
}

void TileWalker::addGroups(const RecordPlan &plan, Value head, Value record,
                           Value unit, Emitter::Values &values) {
  int64_t most = shape.format.groupSize / kUnitColumns;
  SmallVector<Emitter::Values> groups;
  auto end = [&](int64_t g) {
    int64_t first = g * most, units = std::min(most, plan.units - first);
    sums->end(codes.loadChains(plan, head, record, g), groups[g],
              e.add(unit, first), units, values);
  };
  for (int64_t g = 0; g < plan.groups; ++g) {
    int64_t first = g * most, last = std::min(first + most, plan.units);
    fetch(record, plan.bytes, g, plan.groups);
    Emitter::Values group = sums->start();
    if (last - first > kUnrolledUnits) {
      group =
          e.loop(e.index(first), e.index(last), 1, group,
                 [&](Value u, ValueRange previous) {
                   Emitter::Values next(previous);
                   visit(codes.atUnit(record, u), e.add(unit, u), 1)({}, next);
                   return next;
                 });
    } else {
      for (int64_t u = first; u < last; ++u)
        visit(codes.atUnit(record, u), e.add(unit, u), 1)({}, group);
    }
    groups.push_back(group);
    if (!reading.inOrder)
      end(g);
  }
  if (!reading.inOrder)
    return;
  keepOrder();
  for (int64_t g = 0; g < plan.groups; ++g)
    end(g);
}

void TileWalker::addUnits(const RecordPlan &plan, Value head, Value record,
                          Value begin, Value end, Value unit,
                          Emitter::Values &values) {
  auto chains = codes.loadChains(plan, head, record, 0);
  values = e.loop(begin, end, 1, values, [&](Value u, ValueRange previous) {
    Emitter::Values next(previous);
    Value stored = codes.atUnit(record, u);
    if (shape.cutsRecords())
      fetch(stored, shape.layout.unitBytes);
    visit(stored, e.add(unit, e.sub(u, begin)), 1)({&chains}, next);
    return next;
  });
}

void TileWalker::fetch(Value from, int64_t bytes, int64_t part, int64_t parts) {
  if (!reading.ahead)
    return;
  // Schedulers would move all requests to the first: more than a core can have
  // under way.
  if (part)
    keepOrder();
  int64_t lines = llvm::divideCeil(bytes, Emitter::kCacheLine);
  for (int64_t line = lines * part / parts; line < lines * (part + 1) / parts;
       ++line)
    e.prefetch(e.at(from, reading.ahead + line * Emitter::kCacheLine, 1));
}

void TileWalker::keepOrder() {
  e.create<LLVM::InlineAsmOp>(
      TypeRange{}, ValueRange{}, "", "~{memory}",
      /*has_side_effects=*/true, /*is_align_stack=*/false,
      LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr());
}

Reading llmc::readOnce(const Target &target) {
  if (target.vectorBits == 512)
    return {.ahead = Emitter::kCacheLine, .inOrder = true};
  return {.ahead = kAhead};
}
