//===- SymExprTest.cpp - Symbolic expressions against plain integers ------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Analysis/SymExpr.h"
#include "gtest/gtest.h"
#include <limits>
#include <random>

using namespace llmc;

namespace {
struct SymExprTest : testing::Test {
  SymContext c;
  SymExpr past = c.symbol("past"), seq = c.symbol("seq", 1),
          batch = c.symbol("batch");
  SymExpr n(int64_t value) { return c.constant(value); }
};
} // namespace

TEST_F(SymExprTest, EqualPolynomialsAreOneObject) {
  SymExpr a = c.mul(c.add(past, seq), c.sub(past, seq));
  SymExpr b = c.sub(c.mul(past, past), c.mul(seq, seq));
  EXPECT_EQ(a, b);
  EXPECT_EQ(c.sub(c.add(past, seq), seq), past);
  EXPECT_EQ(c.sub(a, b).constant(), 0);
}

TEST_F(SymExprTest, Text) {
  EXPECT_EQ(c.add(past, seq).str(), "past + seq");
  EXPECT_EQ(c.sub(c.mul(n(2), seq), n(1)).str(), "2*seq - 1");
  EXPECT_EQ(c.neg(past).str(), "-past");
  EXPECT_EQ(c.floorDiv(seq, n(2)).str(), "floordiv(seq, 2)");
  EXPECT_EQ(SymExpr().str(), "?");
  int64_t least = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(c.mul(n(least), past).str(), "-9223372036854775808*past");
}

TEST_F(SymExprTest, ParsesDimensions) {
  EXPECT_EQ(c.parse("past + seq"), c.add(past, seq));
  EXPECT_EQ(c.parse("past+seq"), c.add(seq, past));
  EXPECT_EQ(c.parse("2*(past - 1)*seq"),
            c.mul(n(2), c.mul(c.sub(past, n(1)), seq)));
  EXPECT_EQ(c.parse("12"), n(12));
  EXPECT_EQ(c.parse("floordiv(seq, 2)"), c.floorDiv(seq, n(2)));
  EXPECT_EQ(c.parse("lengths[0]"), c.symbol("lengths[0]"));
  EXPECT_EQ(c.parse("a.b c"), c.symbol("a.b c"));
  EXPECT_EQ(c.parse("past +"), c.symbol("past +"));
  EXPECT_EQ(c.parse("99999999999999999999"), c.symbol("99999999999999999999"));
  EXPECT_TRUE(c.parse("").is(SymKind::Symbol));
  // What is nested without end is a name, and costs no stack.
  std::string deep(1000, '(');
  EXPECT_EQ(c.parse(deep), c.symbol(deep));
  std::string minus(1000, '-');
  EXPECT_EQ(c.parse(minus + "a"), c.symbol(minus + "a"));
  std::string wide(100000, 'a');
  EXPECT_EQ(c.parse(wide + "+b"), c.symbol(wide + "+b"));
}

TEST_F(SymExprTest, PrintedDimensionsParseBack) {
  for (SymExpr e :
       {c.add(past, seq), c.mod(seq, n(8)), c.min(past, c.mul(seq, n(3))),
        c.floorDiv(c.add(past, n(63)), n(64)), c.max(c.sub(seq, past), n(0))})
    EXPECT_EQ(c.parse(e.str()), e) << e.str();
}

TEST_F(SymExprTest, PrintedChoicesParseBack) {
  // Elements of an input may be anything, dimensions may not be negative.
  SymExpr x = c.symbol("x[0]"), y = c.symbol("x[1]"), zero = n(0);
  EXPECT_FALSE(c.isNonNegative(x));
  SymExpr isZero = c.equal(x, zero), below = c.less(y, zero);
  for (SymExpr condition :
       {isZero, c.lnot(isZero), below, c.land(isZero, below),
        c.lor(c.lnot(isZero), c.land(below, c.equal(y, n(-1))))}) {
    SymExpr e = c.add(c.mul(n(2), c.select(condition, past, x)), seq);
    EXPECT_EQ(c.parse(e.str()), e) << e.str();
  }
  for (const char *text :
       {"select(x[0] == 1, a, b)", "select((x[0] == 0, a, b)",
        "select(x[0] == 0, a)", "select(x[0], a, b)", "select(not x, a, b)"})
    EXPECT_EQ(c.parse(text), c.symbol(text)) << text;
  std::string deep = "select(" + std::string(1000, '(');
  EXPECT_EQ(c.parse(deep), c.symbol(deep));
}

TEST_F(SymExprTest, OverflowIsUnknown) {
  SymExpr big = n(std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(c.add(big, n(1)));
  EXPECT_FALSE(c.mul(big, n(2)));
  EXPECT_FALSE(c.neg(n(std::numeric_limits<int64_t>::min())));
  EXPECT_FALSE(c.add(SymExpr(), past));
  SymExpr power = past;
  for (int i = 0; i < 10 && power; ++i)
    power = c.mul(power, power);
  EXPECT_FALSE(power);
  // Division stays defined at the ends of the range.
  EXPECT_FALSE(c.floorDiv(past, n(0)));
  c.floorDiv(n(std::numeric_limits<int64_t>::min()), n(-1));
  c.floorDiv(c.mul(past, n(3)), n(std::numeric_limits<int64_t>::min()));
}

TEST_F(SymExprTest, DepthIsBounded) {
  SymExpr e = past;
  int levels = 0;
  for (; levels < 100000 && e; ++levels)
    e = c.apply("f", SymType::Int, {e});
  EXPECT_FALSE(e);
  EXPECT_GT(levels, 100);
}

TEST_F(SymExprTest, TextIsBounded) {
  SymExpr e = past;
  for (int i = 0; i < 100; ++i)
    e = c.apply("f", SymType::Int, {e, e});
  EXPECT_LT(e.str().size(), 5000u);
}

TEST_F(SymExprTest, ExtentsDecide) {
  SymExpr q = c.index("q", seq), k = c.index("k", c.add(past, seq));
  EXPECT_TRUE(c.less(q, seq).isTrue());
  EXPECT_TRUE(c.lessEqual(n(0), k).isTrue());
  EXPECT_TRUE(c.less(k, c.add(past, seq)).isTrue());
  EXPECT_TRUE(c.less(c.add(past, q), c.add(past, seq)).isTrue());
  EXPECT_TRUE(c.equal(q, seq).isFalse());
  SymExpr causal = c.lessEqual(k, c.add(past, q));
  EXPECT_TRUE(causal.is(SymKind::NonNegative));
  EXPECT_EQ(causal, c.lnot(c.lnot(causal)));
  EXPECT_EQ(causal, c.lnot(c.less(c.add(past, q), k)));
}

TEST_F(SymExprTest, RowMajorPlacesComeApart) {
  SymExpr total = c.add(past, seq);
  SymExpr b = c.index("b", batch), q = c.index("q", seq),
          k = c.index("k", total);
  SymExpr row = c.add(c.mul(b, seq), q);
  EXPECT_EQ(c.floorDiv(row, seq), b);
  EXPECT_EQ(c.mod(row, seq), q);
  SymExpr place = c.add(c.mul(row, total), k);
  EXPECT_EQ(c.floorDiv(place, total), row);
  EXPECT_EQ(c.mod(place, total), k);
  EXPECT_EQ(c.floorDiv(place, c.mul(seq, total)), b);
  // A row that begins after the past.
  SymExpr later = c.add(c.mul(b, total), c.add(past, q));
  EXPECT_EQ(c.floorDiv(later, total), b);
  EXPECT_EQ(c.mod(later, total), c.add(past, q));
}

TEST_F(SymExprTest, HeadsInGroups) {
  SymExpr h = c.index("h", n(8)), d = c.index("d", n(32));
  SymExpr place = c.add(c.mul(h, n(32)), d);
  EXPECT_EQ(c.floorDiv(place, n(64)), c.floorDiv(h, n(2)));
  EXPECT_EQ(c.floorDiv(c.floorDiv(place, n(32)), n(2)), c.floorDiv(h, n(2)));
  EXPECT_TRUE(c.isLess(c.floorDiv(h, n(2)), n(4)));
  EXPECT_TRUE(c.isLess(c.mod(h, n(2)), n(2)));
  EXPECT_TRUE(c.isNonNegative(c.mod(h, n(2))));
}

TEST_F(SymExprTest, ExactDivision) {
  SymExpr total = c.mul(c.mul(batch, c.add(past, seq)), n(64));
  EXPECT_EQ(c.divideExactly(total, c.add(past, seq)), c.mul(batch, n(64)));
  EXPECT_EQ(c.divideExactly(total, n(32)), c.divideExactly(total, n(32)));
  EXPECT_FALSE(c.divideExactly(c.add(past, seq), past));
  EXPECT_FALSE(c.divideExactly(total, n(0)));
}

TEST_F(SymExprTest, ConjunctionsSimplify) {
  SymExpr q = c.index("q", seq), k = c.index("k", seq);
  SymExpr below = c.lessEqual(k, q), strict = c.less(k, q);
  EXPECT_EQ(c.land(below, strict), strict);
  EXPECT_EQ(c.lor(below, strict), below);
  EXPECT_TRUE(c.land(below, c.less(q, k)).isFalse());
  EXPECT_TRUE(c.lor(below, c.less(q, k)).isTrue());
  EXPECT_EQ(c.land(below, c.lessEqual(q, k)), c.equal(q, k));
  EXPECT_EQ(c.lor(strict, c.equal(k, q)), below);
  SymExpr window = c.less(c.sub(q, n(8)), k);
  SymExpr both = c.land(below, window);
  EXPECT_EQ(c.land(c.lor(both, below), window), both);
  EXPECT_EQ(c.lnot(c.lor(c.lnot(below), c.lnot(window))), both);
  EXPECT_EQ(c.lor(c.land(below, window), c.land(below, c.lnot(window))), below);
}

TEST_F(SymExprTest, SelectsMerge) {
  SymExpr q = c.index("q", seq), k = c.index("k", seq);
  SymExpr below = c.lessEqual(k, q);
  SymExpr number = c.select(below, n(1), n(0));
  EXPECT_EQ(c.cast(number, SymType::Bool), below);
  EXPECT_EQ(c.equal(number, n(0)), c.lnot(below));
  EXPECT_EQ(c.less(n(0), number), below);
  // A first element put in front that continues the rest.
  SymExpr first = c.equal(q, n(0));
  EXPECT_EQ(c.select(first, n(5), c.add(q, n(5))), c.add(q, n(5)));
  EXPECT_NE(c.select(first, n(4), c.add(q, n(5))), c.add(q, n(5)));
}

TEST_F(SymExprTest, RealFormulasMeet) {
  SymExpr p = c.cast(c.add(past, seq), SymType::Float);
  SymExpr i = c.index("i", n(16)), w;
  int tensor = 0;
  w = c.element(&tensor, "w", SymType::Float, {i});
  auto f = [&](llvm::StringRef name, llvm::ArrayRef<SymExpr> operands) {
    return c.apply(name, SymType::Float, operands);
  };
  EXPECT_EQ(f("mul", {p, w}), f("mul", {w, p}));
  EXPECT_EQ(f("mul", {f("mul", {w, c.real(2)}), p}),
            f("mul", {f("mul", {p, w}), c.real(2)}));
  EXPECT_EQ(f("mul", {p, c.real(1)}), p);
  EXPECT_EQ(
      f("sub", {c.cast(past, SymType::Float), c.cast(seq, SymType::Float)}),
      c.cast(c.sub(past, seq), SymType::Float));
  EXPECT_EQ(f("sqrt", {c.real(4)}), c.real(2));
  EXPECT_EQ(c.cast(p, SymType::Int), c.add(past, seq));
  SymExpr hidden = c.select(c.less(i, n(4)), c.real(-1e9), c.real(0));
  EXPECT_EQ(f("mul", {hidden, c.cast(c.less(i, n(8)), SymType::Float)}),
            hidden);
}

//===----------------------------------------------------------------------===//
// Random algebra: an expression and a plain closure are built side by side.
//===----------------------------------------------------------------------===//

namespace {
constexpr int kVariables = 5;
using Point = std::array<int64_t, kVariables>;
using Function = std::function<std::optional<int64_t>(const Point &)>;
struct Pair {
  SymExpr expr;
  Function plain;
};

/// Two symbols and three index variables: 0 <= v2 < 6, 0 <= v3 < v0 + 1,
/// 0 <= v4 < v0 + v1 + 1.
class RandomAlgebra {
public:
  explicit RandomAlgebra(uint64_t seed) : random(seed) {
    SymExpr one = c.constant(1);
    variables[0] = c.symbol("a");
    variables[1] = c.symbol("b");
    variables[2] = c.index("x", c.constant(6));
    variables[3] = c.index("y", c.add(variables[0], one));
    variables[4] = c.index("z", c.add(c.add(variables[0], variables[1]), one));
  }

  Pair integer(int depth) {
    int kind = depth == 0 ? pick(2) : pick(10);
    switch (kind) {
    case 0: {
      int64_t value = pick(13) - 6;
      return {c.constant(value), [=](const Point &) { return value; }};
    }
    case 1: {
      int v = pick(kVariables);
      return {variables[v], [=](const Point &p) { return p[v]; }};
    }
    case 8: {
      Pair a = boolean(depth - 1), x = integer(depth - 1),
           y = integer(depth - 1);
      return {c.select(a.expr, x.expr, y.expr),
              [=](const Point &p) -> std::optional<int64_t> {
                auto v = a.plain(p);
                if (!v)
                  return std::nullopt;
                return *v ? x.plain(p) : y.plain(p);
              }};
    }
    case 9: {
      Pair x = integer(depth - 1);
      int64_t d = pick(7) + 1;
      return {c.truncDiv(x.expr, c.constant(d)),
              [=](const Point &p) -> std::optional<int64_t> {
                auto v = x.plain(p);
                if (!v)
                  return std::nullopt;
                return *v / d;
              }};
    }
    default:
      break;
    }
    Pair x = integer(depth - 1);
    Pair y = kind >= 6 && pick(2) ? variable() : integer(depth - 1);
    auto binary = [&](SymExpr expr, auto function) {
      return Pair{expr, [=](const Point &p) -> std::optional<int64_t> {
                    auto a = x.plain(p), b = y.plain(p);
                    if (!a || !b)
                      return std::nullopt;
                    return function(*a, *b);
                  }};
    };
    using Value = std::optional<int64_t>;
    auto floorDivide = [](int64_t a, int64_t b) -> Value {
      if (b == 0)
        return std::nullopt;
      int64_t q = a / b;
      return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
    };
    switch (kind) {
    case 2:
      return binary(c.add(x.expr, y.expr),
                    [](int64_t a, int64_t b) -> Value { return a + b; });
    case 3:
      return binary(c.sub(x.expr, y.expr),
                    [](int64_t a, int64_t b) -> Value { return a - b; });
    case 4:
      return binary(c.mul(x.expr, y.expr),
                    [](int64_t a, int64_t b) -> Value { return a * b; });
    case 5:
      return pick(2) ? binary(c.min(x.expr, y.expr),
                              [](int64_t a, int64_t b) -> Value {
                                return std::min(a, b);
                              })
                     : binary(c.max(x.expr, y.expr),
                              [](int64_t a, int64_t b) -> Value {
                                return std::max(a, b);
                              });
    case 6:
      return binary(c.floorDiv(x.expr, y.expr), floorDivide);
    default:
      return binary(c.mod(x.expr, y.expr), [=](int64_t a, int64_t b) -> Value {
        auto q = floorDivide(a, b);
        if (!q)
          return std::nullopt;
        return a - b * *q;
      });
    }
  }

  Pair boolean(int depth) {
    int kind = depth == 0 ? pick(3) : pick(6);
    using Value = std::optional<int64_t>;
    bool compares = kind < 3;
    Pair x = compares ? integer(std::max(depth - 1, 0)) : boolean(depth - 1);
    Pair y = kind == 5  ? x
             : compares ? integer(std::max(depth - 1, 0))
                        : boolean(depth - 1);
    auto binary = [&](SymExpr expr, auto function) {
      return Pair{expr, [=](const Point &p) -> Value {
                    auto a = x.plain(p), b = y.plain(p);
                    if (!a || !b)
                      return std::nullopt;
                    return function(*a, *b);
                  }};
    };
    switch (kind) {
    case 0:
      return binary(c.lessEqual(x.expr, y.expr),
                    [](int64_t a, int64_t b) { return a <= b; });
    case 1:
      return binary(c.less(x.expr, y.expr),
                    [](int64_t a, int64_t b) { return a < b; });
    case 2:
      return binary(c.equal(x.expr, y.expr),
                    [](int64_t a, int64_t b) { return a == b; });
    case 3:
      return binary(c.land(x.expr, y.expr),
                    [](int64_t a, int64_t b) { return a && b; });
    case 4:
      return binary(c.lor(x.expr, y.expr),
                    [](int64_t a, int64_t b) { return a || b; });
    default:
      return binary(c.lnot(x.expr), [](int64_t a, int64_t) { return !a; });
    }
  }

  Point point() {
    Point p;
    p[0] = pick(6);
    p[1] = pick(6);
    p[2] = pick(6);
    p[3] = pick(p[0] + 1);
    p[4] = pick(p[0] + p[1] + 1);
    return p;
  }

  std::optional<int64_t> evaluate(SymExpr e, const Point &p) {
    return c.evaluate(e, [&](SymExpr atom) -> std::optional<int64_t> {
      for (int v = 0; v < kVariables; ++v)
        if (variables[v] == atom)
          return p[v];
      return std::nullopt;
    });
  }

  int64_t pick(int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n - 1)(random);
  }
  Pair variable() {
    int v = pick(kVariables);
    return {variables[v], [=](const Point &p) { return p[v]; }};
  }

  SymContext c;
  std::array<SymExpr, kVariables> variables;

private:
  std::mt19937_64 random;
};
} // namespace

TEST(SymExprRandom, AgreesWithPlainIntegers) {
  int known = 0, proved = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomAlgebra algebra(seed);
    bool isBool = seed % 2;
    Pair pair = isBool ? algebra.boolean(4) : algebra.integer(4);
    if (!pair.expr)
      continue;
    ++known;
    bool nonNegative = !isBool && algebra.c.isNonNegative(pair.expr);
    proved += nonNegative;
    for (int i = 0; i < 30; ++i) {
      Point p = algebra.point();
      auto expected = pair.plain(p);
      if (!expected)
        continue; // a division by zero
      auto actual = algebra.evaluate(pair.expr, p);
      ASSERT_TRUE(actual) << "seed " << seed << ": " << pair.expr.str();
      ASSERT_EQ(*actual, *expected)
          << "seed " << seed << ": " << pair.expr.str() << " at " << p[0] << " "
          << p[1] << " " << p[2] << " " << p[3] << " " << p[4];
      if (nonNegative)
        ASSERT_GE(*expected, 0) << "seed " << seed << ": " << pair.expr.str();
    }
  }
  EXPECT_GT(known, 2000);
  EXPECT_GT(proved, 100);
}

TEST(SymExprRandom, SubstitutionAgreesWithEvaluation) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    RandomAlgebra algebra(seed);
    Pair pair = algebra.integer(3);
    if (!pair.expr)
      continue;
    for (int i = 0; i < 5; ++i) {
      Point p = algebra.point();
      auto expected = pair.plain(p);
      if (!expected)
        continue;
      llvm::DenseMap<SymExpr, SymExpr> map;
      for (int v = 0; v < kVariables; ++v)
        map[algebra.variables[v]] = algebra.c.constant(p[v]);
      SymExpr result = algebra.c.substitute(pair.expr, map);
      ASSERT_TRUE(result) << "seed " << seed << ": " << pair.expr.str();
      ASSERT_EQ(result.constant(), expected)
          << "seed " << seed << ": " << pair.expr.str();
    }
  }
}
