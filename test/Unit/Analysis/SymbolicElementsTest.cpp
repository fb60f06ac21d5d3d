//===- SymbolicElementsTest.cpp - The analysis at its bounds --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the rules say is tested in test/Passes/Analysis; here: bindings,
// graphs that are long, wide or made to explode, and that answers agree with
// plain integers.
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymbolicElements.h"
#include "llmc/Analysis/Proofs.h"
#include "llmc/Driver/Registration.h"
#include "gtest/gtest.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include <random>

using namespace mlir;
using namespace llmc;

namespace {
struct SymbolicElementsTest : testing::Test {
  SymbolicElementsTest() : context(makeRegistry()) {
    context.loadAllAvailableDialects();
  }
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  func::FuncOp parse(const std::string &text) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return {};
    return *module->getOps<func::FuncOp>().begin();
  }
  /// The value that the function returns.
  static Value returned(func::FuncOp function) {
    return function.getBody().front().getTerminator()->getOperand(0);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};
} // namespace

TEST_F(SymbolicElementsTest, BindingStatesAPolicy) {
  auto function = parse(R"(
    func.func @f(%m: tensor<?x?xi64> {nn.name = "mask", nn.dims = ["b", "past + s"]}, %x: tensor<?x?xi64> {nn.dims = ["b", "s"]}) -> tensor<?x1x1x?xi1> {
      %c = nn.cast %m : (tensor<?x?xi64>) -> tensor<?x?xi1>
      %0 = nn.unsqueeze %c {axes = array<i64: 1, 2>} : (tensor<?x?xi1>) -> tensor<?x1x1x?xi1>
      return %0 : tensor<?x1x1x?xi1>
    })");
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  SymContext &c = elements.context();
  SymExpr s = c.symbol("s"), total = c.parse("past + s");
  EXPECT_FALSE(proveMask(elements, returned(function), s, total));
  elements.bind(function.getArgument(0),
                [&](llvm::ArrayRef<SymExpr>) { return c.constant(1); });
  auto proof = proveMask(elements, returned(function), s, total);
  ASSERT_TRUE(proof);
  EXPECT_TRUE(proof->alwaysVisible());
}

TEST_F(SymbolicElementsTest, TraitsTellShapesOfOpsOfOthers) {
  // Nothing but its trait says what the first does to extents, and nothing of the
  // second.
  auto function = parse(R"(
    func.func @f(%x: tensor<?x4xf32> {nn.dims = ["n", 4]}) -> tensor<?x4xf32> {
      %0 = math.absf %x : tensor<?x4xf32>
      %1 = builtin.unrealized_conversion_cast %0 : tensor<?x4xf32> to tensor<?x4xf32>
      return %1 : tensor<?x4xf32>
    })");
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  SymExpr n = elements.context().symbol("n");
  Value cast = returned(function);
  EXPECT_EQ(elements.dim(cast.getDefiningOp()->getOperand(0), 0), n);
  EXPECT_NE(elements.dim(cast, 0), n);
}

TEST_F(SymbolicElementsTest, LongGraphsCostNoStack) {
  std::string text = "func.func @f(%0: tensor<?xi64> {nn.dims = [\"n\"]}, %x: "
                     "tensor<?xi64> {nn.dims = [\"n\"]}) -> tensor<?xi64> {\n";
  constexpr int kLength = 20000;
  for (int i = 0; i < kLength; ++i)
    text += "%" + std::to_string(i + 1) + " = nn.add %" + std::to_string(i) +
            ", %x : (tensor<?xi64>, tensor<?xi64>) -> tensor<?xi64>\n";
  text += "return %" + std::to_string(kLength) + " : tensor<?xi64> }";
  auto function = parse(text);
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  Value value = returned(function);
  EXPECT_EQ(elements.dim(value, 0), elements.context().symbol("n"));
  // Too far away to be told; asked from the front it is.
  EXPECT_FALSE(elements.element(value, elements.freshIndex(value)));
  SymIndex index = elements.freshIndex(value);
  SymExpr last;
  for (Operation &op : function.getBody().front().without_terminator())
    last = elements.element(op.getResult(0), index);
  ASSERT_TRUE(last);
  EXPECT_EQ(last.str(), "arg0[i0] + 20000*arg1[i0]");
}

TEST_F(SymbolicElementsTest, ExplodingGraphsEndUnknown) {
  // Each step doubles the choices.
  std::string text = "func.func @f(%0: tensor<?xi64> {nn.dims = [\"n\"]}) -> "
                     "tensor<?xi64> {\n";
  constexpr int kSteps = 70;
  for (int i = 0; i < kSteps; ++i) {
    std::string from = "%" + std::to_string(i);
    text += "%" + std::to_string(i + 1) + " = nn.concat " + from + ", " + from +
            " {axis = 0 : i64} : (tensor<?xi64>, tensor<?xi64>) -> "
            "tensor<?xi64>\n";
  }
  text += "return %" + std::to_string(kSteps) + " : tensor<?xi64> }";
  auto function = parse(text);
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  Value value = returned(function);
  ASSERT_TRUE(elements.dim(value, 0)); // a new symbol: 2^70 overflows
  (void)elements.element(value, elements.freshIndex(value));
  EXPECT_LT(elements.evaluations(), 200000u);
}

TEST_F(SymbolicElementsTest, WideConditionsEnd) {
  std::string text =
      "func.func @f(%x: tensor<?x200xi64> {nn.dims = [\"n\", 200]}) -> "
      "tensor<?xi1> {\n%zero = arith.constant dense<0> : tensor<i64>\n"
      "%b0 = arith.constant dense<false> : tensor<i1>\n%s0 = nn.expand %b0, "
      "%one : (tensor<i1>, tensor<1xi64>) -> tensor<?xi1>\n";
  text.insert(text.find("%b0"),
              "%one = arith.constant dense<1> : tensor<1xi64>\n");
  for (int i = 0; i < 200; ++i) {
    std::string n = std::to_string(i), next = std::to_string(i + 1);
    text += "%k" + n + " = arith.constant dense<" + n + "> : tensor<i64>\n";
    text += "%g" + n + " = nn.gather %x, %k" + n +
            " {axis = 1 : i64} : (tensor<?x200xi64>, tensor<i64>) -> "
            "tensor<?xi64>\n";
    text += "%c" + n + " = nn.compare " + (i % 3 ? "lt" : "eq") + " %g" + n +
            ", %g" + std::to_string(i / 2) +
            " : (tensor<?xi64>, tensor<?xi64>) -> tensor<?xi1>\n";
    text += "%s" + next + " = nn." + (i % 2 ? "and" : "or") + " %s" + n +
            ", %c" + n + " : (tensor<?xi1>, tensor<?xi1>) -> tensor<?xi1>\n";
  }
  text += "return %s200 : tensor<?xi1> }";
  auto function = parse(text);
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  Value value = returned(function);
  (void)elements.element(value, elements.freshIndex(value));
  EXPECT_LT(elements.evaluations(), 10000u);
}

TEST_F(SymbolicElementsTest, HostileShapesAreHarmless) {
  auto function = parse(R"(
    func.func @f(%x: tensor<?x?xf32> {nn.dims = ["9223372036854775807 * a", "(((((b"]}) -> tensor<?xf32> {
      %zero = arith.constant dense<[0, 0]> : tensor<2xi64>
      %least = arith.constant dense<-9223372036854775808> : tensor<1xi64>
      %most = arith.constant dense<[9223372036854775807, -9223372036854775808, 9223372036854775807, 9223372036854775807]> : tensor<4xi64>
      %one = arith.constant dense<-1> : tensor<1xi64>
      %v = arith.constant dense<0.0> : tensor<f32>
      %0 = nn.reshape %x, %zero {allowzero} : (tensor<?x?xf32>, tensor<2xi64>) -> tensor<?x?xf32>
      %1 = nn.pad constant %0, %most, %v : (tensor<?x?xf32>, tensor<4xi64>, tensor<f32>) -> tensor<?x?xf32>
      %2 = nn.slice %1 [%least, %least] {axes = array<i64: 1>, steps = array<i64: -9223372036854775808>} : (tensor<?x?xf32>, tensor<1xi64>, tensor<1xi64>) -> tensor<?x?xf32>
      %3 = nn.concat %2, %x {axis = 0 : i64} : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
      %4 = nn.reshape %3, %one : (tensor<?x?xf32>, tensor<1xi64>) -> tensor<?xf32>
      return %4 : tensor<?xf32>
    })");
  ASSERT_TRUE(function);
  SymbolicElements elements(function);
  Value value = returned(function);
  ASSERT_TRUE(elements.dim(value, 0));
  (void)elements.element(value, elements.freshIndex(value));
  for (Operation &op : function.getBody().front().without_terminator()) {
    Value result = op.getResult(0);
    ASSERT_EQ(elements.shape(result).size(),
              static_cast<size_t>(
                  cast<RankedTensorType>(result.getType()).getRank()));
    (void)elements.trace(result, elements.freshIndex(result));
  }
}

//===----------------------------------------------------------------------===//
// Movements against plain arrays
//===----------------------------------------------------------------------===//

namespace {
/// A tensor of integers whose element i was element value[i] of the argument.
struct Plain {
  std::vector<int64_t> shape, value;
  int64_t count() const { return value.size(); }
  std::vector<int64_t> place(int64_t i) const {
    std::vector<int64_t> result(shape.size());
    for (size_t a = shape.size(); a-- > 0; i /= shape[a])
      result[a] = i % shape[a];
    return result;
  }
  int64_t at(const std::vector<int64_t> &place) const {
    int64_t i = 0;
    for (size_t a = 0; a < shape.size(); ++a)
      i = i * shape[a] + place[a];
    return value[i];
  }
  std::string type() const {
    std::string text = "tensor<";
    for (int64_t extent : shape)
      text += std::to_string(extent) + "x";
    return text + "f32>";
  }
  template <typename F> static Plain make(std::vector<int64_t> shape, F f) {
    Plain result{std::move(shape), {}};
    int64_t count = 1;
    for (int64_t extent : result.shape)
      count *= extent;
    result.value.resize(count);
    for (int64_t i = 0; i < count; ++i)
      result.value[i] = f(result.place(i));
    return result;
  }
};

/// Random chains of reshape, transpose, slice, concat and tile.
struct Chain {
  explicit Chain(uint64_t seed) : random(seed) {
    current = Plain::make({4, 6, 10}, [&](const std::vector<int64_t> &p) {
      return (p[0] * 6 + p[1]) * 10 + p[2];
    });
  }
  int64_t pick(int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n - 1)(random);
  }
  std::string constant(const std::vector<int64_t> &values) {
    std::string name = "%c" + std::to_string(constants++), list;
    for (int64_t v : values)
      list += (list.empty() ? "" : ", ") + std::to_string(v);
    text += name + " = arith.constant dense<[" + list + "]> : tensor<" +
            std::to_string(values.size()) + "xi64>\n";
    return name;
  }
  void emit(const std::string &op, const std::string &operandTypes,
            Plain next) {
    std::string name = "%v" + std::to_string(++values);
    text += name + " = " + op + " : (" + operandTypes + ") -> " + next.type() +
            "\n";
    last = name;
    current = std::move(next);
  }
  void step() {
    size_t rank = current.shape.size();
    Plain from = current;
    switch (pick(5)) {
    case 0: { // reshape: merge or split an axis
      std::vector<int64_t> shape = from.shape;
      size_t a = pick(rank);
      if (pick(2) && a + 1 < rank) {
        shape[a] *= shape[a + 1];
        shape.erase(shape.begin() + a + 1);
      } else {
        for (int64_t d : {2, 3, 5})
          if (shape[a] % d == 0 && rank < 5) {
            shape[a] /= d;
            shape.insert(shape.begin() + a + 1, d);
            break;
          }
      }
      std::string target = constant(shape);
      emit("nn.reshape " + last + ", " + target,
           from.type() + ", tensor<" + std::to_string(shape.size()) + "xi64>",
           Plain{shape, from.value});
      return;
    }
    case 1: { // transpose
      std::vector<int64_t> perm(rank), shape(rank);
      for (size_t i = 0; i < rank; ++i)
        perm[i] = i;
      std::shuffle(perm.begin(), perm.end(), random);
      std::string list;
      for (size_t i = 0; i < rank; ++i) {
        shape[i] = from.shape[perm[i]];
        list += (i ? ", " : "") + std::to_string(perm[i]);
      }
      emit("nn.transpose " + last + " {perm = array<i64: " + list + ">}",
           from.type(), Plain::make(shape, [&](const std::vector<int64_t> &p) {
             std::vector<int64_t> q(rank);
             for (size_t i = 0; i < rank; ++i)
               q[perm[i]] = p[i];
             return from.at(q);
           }));
      return;
    }
    case 2: { // slice, also backwards
      size_t a = pick(rank);
      int64_t extent = from.shape[a], begin = pick(extent), step = 1 + pick(2);
      bool back = pick(2);
      std::vector<int64_t> shape = from.shape;
      shape[a] = back ? begin / step + 1 : (extent - begin + step - 1) / step;
      std::string b = constant({pick(2) ? begin : begin - extent});
      std::string e = constant({back ? INT64_MIN : INT64_MAX});
      emit("nn.slice " + last + " [" + b + ", " + e +
               "] {axes = array<i64: " + std::to_string(a) +
               ">, steps = array<i64: " + std::to_string(back ? -step : step) +
               ">}",
           from.type() + ", tensor<1xi64>, tensor<1xi64>",
           Plain::make(shape, [&](std::vector<int64_t> p) {
             p[a] = begin + (back ? -step : step) * p[a];
             return from.at(p);
           }));
      return;
    }
    case 3: { // concat with itself
      size_t a = pick(rank);
      if (from.count() > 2000)
        return;
      std::vector<int64_t> shape = from.shape;
      shape[a] *= 2;
      emit("nn.concat " + last + ", " + last + " {axis = " + std::to_string(a) +
               " : i64}",
           from.type() + ", " + from.type(),
           Plain::make(shape, [&](std::vector<int64_t> p) {
             p[a] %= from.shape[a];
             return from.at(p);
           }));
      return;
    }
    default: { // gather rows
      size_t a = pick(rank);
      std::vector<int64_t> rows(1 + pick(4)), shape = from.shape;
      for (int64_t &row : rows)
        row = pick(2 * from.shape[a]) - from.shape[a];
      shape[a] = rows.size();
      std::string indices = constant(rows);
      emit("nn.gather " + last + ", " + indices +
               " {axis = " + std::to_string(a) + " : i64}",
           from.type() + ", tensor<" + std::to_string(rows.size()) + "xi64>",
           Plain::make(shape, [&](std::vector<int64_t> p) {
             int64_t row = rows[p[a]];
             p[a] = row < 0 ? row + from.shape[a] : row;
             return from.at(p);
           }));
      return;
    }
    }
  }

  std::mt19937_64 random;
  Plain current;
  std::string text, last = "%x";
  int constants = 0, values = 0;
};
} // namespace

TEST_F(SymbolicElementsTest, MovementsAgreeWithArrays) {
  int symbolic = 0, compared = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    Chain chain(seed);
    for (int i = 0; i < 6; ++i)
      chain.step();
    auto function =
        parse("func.func @f(%x: tensor<4x6x10xf32> {nn.name = \"x\"}) -> " +
              chain.current.type() + " {\n" + chain.text + "return " +
              chain.last + " : " + chain.current.type() + "\n}");
    ASSERT_TRUE(function) << "seed " << seed << "\n" << chain.text;
    SymbolicElements elements(function);
    SymContext &c = elements.context();
    Value value = returned(function);
    // At places that are numbers
    // (-1 where a row stays an element of a constant) ...
    auto rowMajor = [&](SymExpr e) -> int64_t {
      if (!e.is(SymKind::Element) || e->getName() != "x")
        return -1;
      int64_t i = 0;
      for (auto [at, extent] :
           llvm::zip(e->getOperands(), std::array<int64_t, 3>{4, 6, 10})) {
        if (!at.constant())
          return -1;
        i = i * extent + *at.constant();
      }
      return i;
    };
    // ... and at a general place, with numbers put in afterwards.
    SymIndex general = elements.freshIndex(value);
    SymExpr any = elements.element(value, general);
    symbolic += any.is(SymKind::Element) && any->getName() == "x";
    for (int i = 0; i < 20; ++i) {
      int64_t flat = chain.pick(chain.current.count());
      auto place = chain.current.place(flat);
      SymIndex index;
      llvm::DenseMap<SymExpr, SymExpr> map;
      for (auto [a, at] : llvm::enumerate(place)) {
        index.push_back(c.constant(at));
        if (general[a].is(SymKind::Index))
          map[general[a]] = index.back();
      }
      int64_t expected = chain.current.value[flat];
      ASSERT_EQ(rowMajor(elements.element(value, index)), expected)
          << "seed " << seed << "\n"
          << chain.text;
      SymExpr there = c.substitute(any, map);
      if (rowMajor(there) >= 0) {
        ASSERT_EQ(rowMajor(there), expected)
            << "seed " << seed << ": " << any.str() << "\n"
            << chain.text;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 1000);
  EXPECT_GT(symbolic, 20);
}
