//===- SymExprText.cpp - Printing and parsing of expressions --------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "SymExprImpl.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"

using namespace llmc;
using llvm::ArrayRef;
using llvm::raw_ostream;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

namespace {
/// Expressions share parts, so their text may be exponentially longer than
/// they are: it is cut off.
constexpr size_t kMaxText = 4096;

struct Printer {
  std::string text;

  bool full() const { return text.size() > kMaxText; }

  void list(ArrayRef<SymExpr> parts, StringRef separator) {
    for (auto [i, part] : llvm::enumerate(parts)) {
      if (i)
        text += separator;
      print(part);
      if (full())
        return;
    }
  }

  void call(StringRef name, ArrayRef<SymExpr> parts, char open = '(',
            char close = ')') {
    text += name;
    text += open;
    list(parts, ", ");
    text += close;
  }

  void polynomial(SymExpr a) {
    for (auto [i, term] : llvm::enumerate(a->getTerms())) {
      int64_t c = term.coefficient;
      if (i)
        text += c < 0 ? " - " : " + ";
      else if (c < 0)
        text += '-';
      // The magnitude of the least integer is not one.
      uint64_t magnitude = c < 0 ? -static_cast<uint64_t>(c) : c;
      bool number = magnitude != 1 || term.factors.empty();
      if (number)
        text += std::to_string(magnitude);
      if (number && !term.factors.empty())
        text += '*';
      list(term.factors, "*");
      if (full())
        return;
    }
  }

  void print(SymExpr a) {
    if (full())
      return;
    if (!a) {
      text += '?';
      return;
    }
    switch (a.kind()) {
    case SymKind::Constant:
      text += std::to_string(a->getValue());
      return;
    case SymKind::Symbol:
    case SymKind::Index:
      text += a->getName();
      return;
    case SymKind::Polynomial:
      return polynomial(a);
    case SymKind::FloorDiv:
      return call("floordiv", a->getOperands());
    case SymKind::Min:
      return call("min", a->getOperands());
    case SymKind::Max:
      return call("max", a->getOperands());
    case SymKind::Real: {
      llvm::raw_string_ostream os(text);
      os << llvm::format("%.9g", a->getReal());
      return;
    }
    case SymKind::Bool:
      text += a->getValue() ? "true" : "false";
      return;
    case SymKind::NonNegative:
      print(a->getOperand(0));
      text += " >= 0";
      return;
    case SymKind::Zero:
      print(a->getOperand(0));
      text += " == 0";
      return;
    case SymKind::And:
    case SymKind::Or:
      text += '(';
      list(a->getOperands(), a.is(SymKind::And) ? " and " : " or ");
      text += ')';
      return;
    case SymKind::Not:
      return call("not", a->getOperands());
    case SymKind::Select:
      return call("select", a->getOperands());
    case SymKind::Element:
      return call(a->getName(), a->getOperands(), '[', ']');
    case SymKind::Apply:
      return call(a->getName(), a->getOperands());
    case SymKind::Tuple:
      return call("", a->getOperands());
    }
  }
};
} // namespace

std::string SymExpr::str() const {
  Printer printer;
  printer.print(*this);
  if (printer.full()) {
    printer.text.resize(kMaxText);
    printer.text += "...";
  }
  return std::move(printer.text);
}

raw_ostream &llmc::operator<<(raw_ostream &os, SymExpr expr) {
  return os << expr.str();
}

//===----------------------------------------------------------------------===//
// Parsing
//===----------------------------------------------------------------------===//

namespace {
/// Recursive descent over what the printer writes of integers and conditions:
/// `sum := product ((+|-) product)*`, `product := factor (* factor)*`,
/// `factor := integer | name | -factor | name(sum, sum) | name[integer] |
/// select(condition, sum, sum) | (sum)`, `condition := true | false |
/// not(condition) | (condition (and|or) condition ...) | sum (>=|==) 0`, where
/// a sum of a condition never begins with a parenthesis, so nothing is read
/// twice. Null: no such expression.
class DimParser {
public:
  DimParser(SymContext &context, StringRef text)
      : context(context), rest(text) {}

  SymExpr parse() {
    SymExpr result = sum(0);
    skipSpace();
    return rest.empty() ? result : SymExpr();
  }

private:
  static constexpr unsigned kMaxNesting = 32;

  void skipSpace() { rest = rest.ltrim(" \t"); }
  bool consume(char c) {
    skipSpace();
    return rest.consume_front(StringRef(&c, 1));
  }

  bool consumeWord(StringRef word) {
    skipSpace();
    StringRef after = rest;
    if (!after.consume_front(word) ||
        (!after.empty() && (llvm::isAlnum(after.front()) || after[0] == '_')))
      return false;
    rest = after;
    return true;
  }

  SymExpr condition(unsigned nesting) {
    if (nesting > kMaxNesting)
      return {};
    if (consumeWord("true"))
      return context.boolean(true);
    if (consumeWord("false"))
      return context.boolean(false);
    if (consumeWord("not")) {
      SymExpr inner = consume('(') ? condition(nesting + 1) : SymExpr();
      return inner && consume(')') ? context.lnot(inner) : SymExpr();
    }
    if (consume('(')) {
      SymExpr result = condition(nesting + 1);
      while (result && !consume(')')) {
        bool both = consumeWord("and");
        if (!both && !consumeWord("or"))
          return {};
        SymExpr next = condition(nesting + 1);
        result = both ? context.land(result, next) : context.lor(result, next);
      }
      return result;
    }
    SymExpr value = sum(nesting + 1);
    skipSpace();
    bool zero = rest.consume_front("==");
    if (!value || (!zero && !rest.consume_front(">=")) || !consume('0'))
      return {};
    SymExpr none = context.constant(0);
    return zero ? context.equal(value, none) : context.lessEqual(none, value);
  }

  SymExpr sum(unsigned nesting) {
    SymExpr result = product(nesting);
    while (result) {
      if (consume('+'))
        result = context.add(result, product(nesting));
      else if (consume('-'))
        result = context.sub(result, product(nesting));
      else
        break;
    }
    return result;
  }

  SymExpr product(unsigned nesting) {
    SymExpr result = factor(nesting);
    while (result && consume('*'))
      result = context.mul(result, factor(nesting));
    return result;
  }

  SymExpr factor(unsigned nesting) {
    if (nesting > kMaxNesting)
      return {};
    if (consume('-'))
      return context.neg(factor(nesting + 1));
    if (consume('(')) {
      SymExpr result = sum(nesting + 1);
      return consume(')') ? result : SymExpr();
    }
    skipSpace();
    if (!rest.empty() && llvm::isDigit(rest.front())) {
      int64_t value;
      StringRef digits = rest.take_while(llvm::isDigit);
      rest = rest.drop_front(digits.size());
      if (digits.getAsInteger(10, value))
        return {};
      return context.constant(value);
    }
    return named(nesting);
  }

  SymExpr named(unsigned nesting) {
    if (rest.empty() || !(llvm::isAlpha(rest.front()) || rest.front() == '_'))
      return {};
    size_t length = rest.take_while([](char c) {
                          return llvm::isAlnum(c) || c == '_' || c == '.' ||
                                 c == '/' || c == ':';
                        })
                        .size();
    StringRef name = rest.take_front(length);
    StringRef after = rest.drop_front(length);
    // The element of an input, as in "lengths[0]", is a symbol by that name.
    if (after.starts_with("[")) {
      size_t digits = after.drop_front().take_while(llvm::isDigit).size();
      if (digits && after.drop_front(1 + digits).starts_with("]")) {
        name = rest.take_front(length + digits + 2);
        after = rest.drop_front(length + digits + 2);
      }
    }
    rest = after;
    if (consume('('))
      return call(name, nesting);
    return context.symbol(name);
  }

  SymExpr call(StringRef name, unsigned nesting) {
    if (name == "select") {
      SymExpr choice = condition(nesting + 1);
      SymExpr yes = choice && consume(',') ? sum(nesting + 1) : SymExpr();
      SymExpr no = yes && consume(',') ? sum(nesting + 1) : SymExpr();
      return no && consume(')') ? context.select(choice, yes, no) : SymExpr();
    }
    SymExpr a = sum(nesting + 1);
    if (!a || !consume(','))
      return {};
    SymExpr b = sum(nesting + 1);
    if (!b || !consume(')'))
      return {};
    if (name == "floordiv")
      return context.floorDiv(a, b);
    if (name == "mod")
      return context.mod(a, b);
    if (name == "min")
      return context.min(a, b);
    if (name == "max")
      return context.max(a, b);
    return {};
  }

  SymContext &context;
  StringRef rest;
};
} // namespace

SymExpr SymContext::parse(StringRef text) {
  text = text.trim();
  if (text.empty())
    return freshSymbol("d");
  if (text.size() <= kMaxText)
    if (SymExpr parsed = DimParser(*this, text).parse())
      return parsed;
  return symbol(text);
}
