//===- QuantizedGather.cpp - Single rows of compressed matrices -----------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A row as the reference decoder has it, to the last bit: sums are in f64, and
// each number is rounded once.
//
//===----------------------------------------------------------------------===//
#include "llmc/Codegen/KernelLibrary.h"
#include "llmc/Codegen/QuantizedEmitter.h"

using namespace mlir;
using namespace llmc;

namespace {

/// What is added to the codes of a row, from behind the tiles of w. Of a rank, its
/// numbers of the left matrix, and the right one. The numbers of a sparse part go
/// to where the row will be, in their columns of zeros.
class AddedRow {
public:
  AddedRow(Emitter &e, const QuantizedShape &shape, Value behind, Value block,
           Value lane, Value row, int64_t lanes)
      : e(e), shape(shape), row(row), right(behind) {
    const PackedLayout &layout = shape.layout;
    if (shape.format.sparse) {
      e.copy(lanes, Value(), row, e.index(layout.columns));
      scatter(e.at(right, e.mul(block, layout.sparseTileBytes), 1), lane);
      return;
    }
    left = e.at(e.at(right, layout.left - layout.right, 1),
                e.add(e.mul(block, shape.format.rank * layout.tileRows), lane),
                kWidth);
  }

  /// value + what is added to a column, in f64 as the reference decoder has it.
  Value addTo(Value value, Value column) {
    auto wide = VectorType::get({1}, e.getF64Type());
    if (shape.format.sparse)
      return e.add(value,
                   e.create<arith::ExtFOp>(
                       wide, e.load(e.vectorType(1), e.at(row, column))));
    int64_t tile = shape.layout.rightTileRows, rank = shape.format.rank;
    auto number = [&](Value from, Value place) -> Value {
      return e.create<arith::ExtFOp>(
          wide,
          emitLoadStored(e, e.getBF16Type(), 1, e.at(from, place, kWidth)));
    };
    Value none = e.create<arith::ConstantOp>(e.getZeroAttr(wide));
    Emitter::Values sum = e.loop(
        e.index(0), e.index(rank), 1, none,
        [&](Value j, ValueRange before) -> Emitter::Values {
          Value block = e.floorDiv(j, e.index(tile));
          Value place = e.add(e.mul(block, shape.layout.columns), column);
          place = e.add(e.mul(place, tile), e.sub(j, e.mul(block, tile)));
          Value product = e.mul(number(left, e.mul(j, shape.layout.tileRows)),
                                number(right, place));
          return {e.add(before[0], product)};
        });
    return e.add(value, sum[0]);
  }

private:
  void scatter(Value tile, Value lane) {
    const PackedLayout &layout = shape.layout;
    int64_t width = layout.columnBytes;
    Value numbers = e.at(tile, layout.sparseCount * layout.tileRows, width);
    e.loop(e.index(0), e.index(layout.sparseCount), 1, [&](Value j) {
      Value place = e.add(e.mul(j, layout.tileRows), lane);
      Value column = emitColumn(e, width, e.at(tile, place, width),
                                e.index(layout.columns - 1));
      Value to = e.at(row, column);
      Value number =
          emitLoadStored(e, e.getBF16Type(), 1, e.at(numbers, place, kWidth));
      e.store(e.add(e.load(e.vectorType(1), to), number), to);
    });
  }

  static constexpr int64_t kWidth = 2;
  Emitter &e;
  const QuantizedShape &shape;
  Value row, right, left;
};

} // namespace

func::FuncOp KernelLibrary::getQuantizedGather(const QuantizedShape &shape) {
  MLIRContext *context = module.getContext();
  Type pointer = LLVM::LLVMPointerType::get(context),
       index = IndexType::get(context);
  const PackedLayout &layout = shape.layout;
  std::string sides =
      shape.format.rank     ? "_lr" + std::to_string(shape.format.rank)
      : shape.format.sparse ? "_sp" + std::to_string(shape.format.sparse)
      : layout.order        ? "_p"
                            : "";
  return getOrCreate(
      getQuantizedKernelName(shape) + "_gather_k" +
          std::to_string(layout.columns) + sides,
      {pointer, index, pointer, index}, [&](Emitter &e, ValueRange args) {
        Value w = args[0], id = args[1], y = args[2], rows = args[3];
        Value zero = e.index(0);
        Value row = e.clampId(id, rows);
        Value block = e.floorDiv(row, e.index(shape.layout.tileRows));
        Value head = e.at(w, e.mul(block, layout.tileBytes), 1);
        Value lane = e.sub(row, e.mul(block, shape.layout.tileRows));
        QuantizedEmitter codes(e, target, shape, lane);
        std::optional<AddedRow> added;
        Value order;
        if (shape.format.hasSides() || layout.order) {
          Value tiles = e.mul(e.ceilDiv(rows, e.index(layout.tileRows)),
                              layout.tileBytes);
          Value behind = e.at(w,
                              e.mul(e.ceilDiv(tiles, e.index(kPackedAlignment)),
                                    kPackedAlignment),
                              1);
          if (layout.order)
            order = behind;
          else
            added.emplace(e, shape, behind, block, lane, y, target.lanes());
        }
        Value records = e.at(head, layout.headBytes, 1);

        // `count` columns of a unit, which begins at column `place` of the row.
        auto emitUnit =
            [&](Value stored, Value place, int64_t count,
                function_ref<const QuantizedEmitter::Chains &(int64_t)>
                    chainsOf) {
              auto pieces = codes.loadPieces(stored);
              for (int64_t step = 0; step * kStepColumns < count; ++step) {
                const auto &chains = chainsOf(step * kStepColumns);
                Emitter::Values sums(kStepColumns);
                for (unsigned term = 0; term < shape.format.terms.size();
                     ++term) {
                  Value levels = codes.emitLevels(pieces, step, 0, term);
                  for (int64_t b = 0; b < kStepColumns; ++b)
                    sums[b] = codes.emitValue(chains, levels, b, term, sums[b]);
                }
                for (int64_t b = 0; b < kStepColumns; ++b) {
                  if (step * kStepColumns + b >= count)
                    break;
                  Value value = sums[b];
                  if (shape.format.hasMinimum)
                    value = e.add(value, chains.minimum[0]);
                  if (added)
                    value = added->addTo(value,
                                         e.add(place, step * kStepColumns + b));
                  value = e.create<arith::TruncFOp>(e.vectorType(1), value);
                  Value column = e.add(place, step * kStepColumns + b);
                  if (order)
                    column = emitColumn(e, layout.columnBytes,
                                        e.at(order, column, layout.columnBytes),
                                        e.index(layout.columns - 1));
                  e.store(value, e.at(y, column));
                }
              }
            };
        auto emitRecord = [&](const RecordPlan &plan, Value record, Value place,
                              int64_t columns) {
          int64_t size = plan.groups == 1 ? columns : shape.format.groupSize;
          llvm::SmallDenseMap<int64_t, QuantizedEmitter::Chains> loaded;
          for (int64_t g = 0; g < plan.groups; ++g)
            loaded[g] = codes.loadChains(plan, head, record, g);
          auto unit = [&](Value stored, Value at, int64_t first,
                          int64_t count) {
            emitUnit(stored, at, count,
                     [&](int64_t c) -> const QuantizedEmitter::Chains & {
                       return loaded
                           .find(std::min((first + c) / size, plan.groups - 1))
                           ->second;
                     });
          };
          if (plan.groups == 1) {
            int64_t whole = columns / kUnitColumns;
            e.loop(zero, e.index(whole), 1, [&](Value u) {
              unit(codes.atUnit(record, u),
                   e.add(place, e.mul(u, kUnitColumns)), 0, kUnitColumns);
            });
            if (int64_t left = columns % kUnitColumns)
              unit(codes.atUnit(record, whole),
                   e.add(place, whole * kUnitColumns), 0, left);
            return;
          }
          for (int64_t u = 0; u < plan.units; ++u)
            unit(codes.atUnit(record, u), e.add(place, u * kUnitColumns),
                 u * kUnitColumns,
                 std::min(kUnitColumns, columns - u * kUnitColumns));
        };
        int64_t recordColumns =
            layout.records == 1
                ? layout.columns
                : layout.groupsPerRecord * shape.format.groupSize;
        e.loop(zero, e.index(layout.records - 1), 1, [&](Value r) {
          emitRecord(layout.record,
                     e.at(records, e.mul(r, layout.record.bytes), 1),
                     e.mul(r, recordColumns), recordColumns);
        });
        int64_t before = layout.records - 1;
        emitRecord(layout.lastRecord,
                   e.at(records, before * layout.record.bytes, 1),
                   e.index(before * recordColumns),
                   layout.columns - before * recordColumns);
      });
}
