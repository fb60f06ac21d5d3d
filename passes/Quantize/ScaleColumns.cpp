//===- ScaleColumns.cpp - Even out the columns of matrices ----------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A matrix gets a scale of its own, or one together with all that have the same
// input: such a class of matrices can hand it to a norm, but a shared scale evens
// out each of them less well. It is that of the matrices as they come: what their
// rows take up from a reader is taken up again by the scales of groups, and would
// only mislead the steps of evening out.
//
// One class is in memory at a time, in f32, and pages of the model's files are
// given back as it goes on.
//
//===----------------------------------------------------------------------===//
#include "FoldScale.h"
#include "llmc/Dialect/Pack/PackFormats.h"
#include "llmc/Methods/Method.h"
#include "llmc/Passes/KernelPasses.h"
#include "llmc/Passes/QuantizePasses.h"
#include "llmc/Weights/ReadMatrix.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include <chrono>

namespace llmc {
#define GEN_PASS_DEF_SCALECOLUMNSPASS
#include "llmc/Passes/QuantizePasses.h.inc"
} // namespace llmc

using namespace mlir;
using namespace llmc;

namespace {

/// Bytes of matrices after which pages of files are given back.
constexpr int64_t kDropBytes = 256 << 20;

/// Matrices that read the same values, wherever they are read.
struct ColumnClass {
  SmallVector<nn::WeightOp> weights;
  /// What the weights come from, before any is scaled.
  SmallVector<Attribute> sources;
  SmallVector<nn::LinearOp> linears;

  StringRef getName() const {
    return nn::WeightOp(weights.front()).getSymName();
  }
  /// Of all numbers in f32.
  int64_t countBytes() const {
    int64_t bytes = 0;
    for (nn::WeightOp weight : weights)
      bytes += cast<RankedTensorType>(weight.getType()).getNumElements() *
               static_cast<int64_t>(sizeof(float));
    return bytes;
  }
};

struct ScaleColumns : llmc::impl::ScaleColumnsPassBase<ScaleColumns> {
  using ScaleColumnsPassBase::ScaleColumnsPassBase;
  ScaleColumns(const WeightStore &store, unsigned threadCount,
               ColumnScaleClient &client, bool mayFold)
      : store(&store), client(&client) {
    threads = threadCount;
    fold = mayFold;
  }

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    WeightStore none;
    Workers workers(threads);
    SmallVector<ColumnClass> classes = collect(module, symbols);
    int64_t bytes = 0, held = 0;
    for (const ColumnClass &members : classes)
      bytes += members.countBytes();
    if (client)
      client->expect(bytes);
    for (ColumnClass &members : llvm::reverse(classes)) {
      std::optional<ScaleFold> makers;
      if (fold)
        makers = ScaleFold::find(symbols, members.linears);
      SharedColumns shared = makers ? makers->getShared() : SharedColumns();
      auto scale = find(members, shared, store ? *store : none, workers);
      if (!scale) {
        members.weights.front().emitError(llvm::toString(scale.takeError()));
        return signalPassFailure();
      }
      if (!scale->note.empty())
        for (nn::WeightOp weight : members.weights)
          weight->setAttr(pack::PackDialect::kNote,
                          StringAttr::get(weight.getContext(), scale->note));
      if (!scale->factors.empty()) {
        divideColumns(members, shared, scale->factors);
        if (makers)
          makers->apply(scale->factors);
        else
          multiplyInputs(symbols, members, scale->factors);
      }
      held += members.countBytes();
      if (store && held >= kDropBytes) {
        store->dropPages();
        held = 0;
      }
    }
  }

  /// The classes in the order in which the code first reads them.
  SmallVector<ColumnClass> collect(ModuleOp module, SymbolTable &symbols) {
    llvm::MapVector<StringAttr, SmallVector<nn::LinearOp>> readers;
    llvm::SmallPtrSet<Attribute, 8> excluded;
    module.walk([&](nn::GetOp get) {
      auto name = get.getWeightAttr().getAttr();
      for (OpOperand &use : get->getUses()) {
        auto linear = dyn_cast<nn::LinearOp>(use.getOwner());
        if (linear && readsPacked(use))
          readers[name].push_back(linear);
        else
          excluded.insert(name);
      }
    });
    llvm::EquivalenceClasses<StringAttr> joined;
    // By input and options; formats may differ.
    llvm::DenseMap<std::pair<Value, Attribute>, StringAttr> first;
    for (auto &[name, linears] : readers) {
      auto weight = symbols.lookup<nn::WeightOp>(name);
      auto method = weight ? weight->getAttrOfType<pack::MethodAttr>(
                                 pack::PackDialect::kMethod)
                           : pack::MethodAttr();
      if (!method || method.getName() != "sinq" || excluded.contains(name))
        continue;
      joined.insert(name);
      auto share = method.getSettings()
                       ? method.getSettings().getAs<StringAttr>("share")
                       : StringAttr();
      if (!share || share.getValue() != "true")
        continue;
      for (nn::LinearOp linear : linears) {
        auto [place, isNew] =
            first.try_emplace({linear.getInput(), method.getSettings()}, name);
        if (!isNew)
          joined.unionSets(place->second, name);
      }
    }
    llvm::MapVector<StringAttr, ColumnClass> classes;
    for (auto &[name, linears] : readers) {
      auto leader = joined.findLeader(name);
      if (leader == joined.member_end())
        continue;
      ColumnClass &members = classes[*leader];
      auto weight = symbols.lookup<nn::WeightOp>(name);
      members.weights.push_back(weight);
      members.sources.push_back(weight.getSource());
      members.linears.append(linears);
    }
    SmallVector<ColumnClass> result;
    for (auto &entry : classes)
      result.push_back(std::move(entry.second));
    return result;
  }

  /// The scale of the columns, remembered or computed.
  llvm::Expected<ColumnScale> find(const ColumnClass &members,
                                   SharedColumns shared,
                                   const WeightStore &weights,
                                   Workers &workers) {
    if (!client) {
      double reading, evening;
      return compute(members, shared, weights, workers, reading, evening);
    }
    nn::WeightOp first = members.weights.front();
    size_t columns =
        cast<RankedTensorType>(first.getType()).getDimSize(1) / shared.repeats;
    const ColumnScale *known = client->recall(members.getName());
    if (known && (known->factors.empty() || known->factors.size() == columns)) {
      client->advance(members.countBytes(), 0, 0);
      return *known;
    }
    double reading = 0, evening = 0;
    auto scale = compute(members, shared, weights, workers, reading, evening);
    if (!scale)
      return scale;
    client->remember(members.getName(), *scale);
    client->advance(members.countBytes(), reading, evening);
    return scale;
  }

  llvm::Expected<ColumnScale> compute(const ColumnClass &members,
                                      SharedColumns shared,
                                      const WeightStore &weights,
                                      Workers &workers, double &reading,
                                      double &evening) {
    using Clock = std::chrono::steady_clock;
    using Seconds = std::chrono::duration<double>;
    auto start = Clock::now();
    auto method = members.weights.front()->getAttrOfType<pack::MethodAttr>(
        pack::PackDialect::kMethod);
    std::vector<Numbers> values;
    SmallVector<MatrixView> views;
    for (auto [member, source] :
         llvm::zip_equal(members.weights, members.sources)) {
      nn::WeightOp weight = member;
      // What the file has transposed is looked at as it lies there.
      Attribute transposed =
          shared.repeats == 1 ? findTransposed(source) : Attribute();
      auto read =
          readMatrix(weights, transposed ? transposed : source, workers);
      if (!read)
        return read.takeError();
      auto type = cast<RankedTensorType>(weight.getType());
      int64_t columns = type.getDimSize(1) / shared.repeats;
      values.push_back(shared.repeats == 1
                           ? std::move(*read)
                           : stack(*read, type.getDimSize(1), shared));
      views.push_back({weight.getSymName(), values.back().data(), RealType::F32,
                       type.getDimSize(0) * shared.repeats, columns,
                       transposed ? type.getDimSize(0) : columns,
                       static_cast<bool>(transposed)});
    }
    auto read = Clock::now();
    ColumnScale scale;
    auto factors =
        computeSharedScale(views, pack::getFormat(method),
                           pack::getSettings(method), workers, scale.note);
    if (!factors)
      return factors.takeError();
    scale.factors = std::move(*factors);
    reading = Seconds(read - start).count();
    evening = Seconds(Clock::now() - read).count();
    return scale;
  }

  /// The matrix with columns of one scale below each other.
  static Numbers stack(ArrayRef<float> values, int64_t columns,
                       SharedColumns shared) {
    Numbers result(values.size());
    int64_t rows = static_cast<int64_t>(values.size()) / columns,
            width = columns / shared.repeats;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t k = 0; k < columns; ++k) {
        int64_t repeat = k / shared.size % shared.repeats;
        result[(repeat * rows + row) * width + shared.getEntry(k)] =
            values[row * columns + k];
      }
    return result;
  }

  static nn::DenseSourceAttr getSource(MLIRContext *context,
                                       ArrayRef<float> scale) {
    auto type = RankedTensorType::get({static_cast<int64_t>(scale.size())},
                                      Float32Type::get(context));
    return nn::DenseSourceAttr::get(context,
                                    DenseElementsAttr::get(type, scale));
  }

  static void divideColumns(const ColumnClass &members, SharedColumns shared,
                            ArrayRef<float> scale) {
    nn::WeightOp first = members.weights.front();
    int64_t columns = cast<RankedTensorType>(first.getType()).getDimSize(1);
    std::vector<float> ofColumns(columns);
    for (int64_t k = 0; k < columns; ++k)
      ofColumns[k] = scale[shared.getEntry(k)];
    Attribute factors = getSource(first.getContext(), ofColumns);
    for (nn::WeightOp weight : members.weights)
      weight.setSourceAttr(nn::ScaleSourceAttr::get(
          first.getContext(), weight.getSource(), factors, /*axis=*/1,
          /*inverse=*/true));
  }

  static void multiplyInputs(SymbolTable &symbols, const ColumnClass &members,
                             ArrayRef<float> scale) {
    nn::WeightOp first = members.weights.front();
    nn::DenseSourceAttr factors = getSource(first.getContext(), scale);
    Type type = factors.getValues().getType();
    OpBuilder builder(first);
    auto columns = nn::WeightOp::create(builder, first.getLoc(),
                                        (first.getSymName() + ".columns").str(),
                                        type, factors);
    symbols.insert(columns, first->getIterator());
    llvm::DenseMap<Value, nn::MulOp> scaled;
    for (nn::LinearOp linear : members.linears) {
      nn::MulOp &product = scaled[linear.getInput()];
      if (!product) {
        builder.setInsertionPointAfterValue(linear.getInput());
        Value t = nn::GetOp::create(builder, linear.getLoc(), type,
                                    columns.getSymName());
        product = nn::MulOp::create(builder, linear.getLoc(),
                                    linear.getInput().getType(),
                                    linear.getInput(), t);
      }
      linear.getInputMutable().assign(product.getResult());
    }
  }

  const WeightStore *store = nullptr;
  ColumnScaleClient *client = nullptr;
};

} // namespace

std::unique_ptr<Pass> llmc::createScaleColumnsPass(const WeightStore &store,
                                                   unsigned threads,
                                                   ColumnScaleClient &client,
                                                   bool fold) {
  return std::make_unique<ScaleColumns>(store, threads, client, fold);
}
