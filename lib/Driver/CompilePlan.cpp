//===- CompilePlan.cpp - What a compilation would write -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "CompilePlan.h"

#include "llvm/Support/FormatVariadic.h"
#include <map>

using namespace llmc;
namespace json = llvm::json;
using llvm::StringRef;

json::Object llmc::describeWeights(const WeightFile &weights) {
  std::map<std::string, std::pair<int64_t, int64_t>> kinds;
  for (const PlacedWeight &weight : weights.weights) {
    ++kinds[weight.layout].first;
    kinds[weight.layout].second += weight.bytes;
  }
  json::Object layouts;
  for (auto &[layout, count] : kinds)
    layouts[layout] =
        json::Object{{"tensors", count.first}, {"bytes", count.second}};
  json::Array list;
  for (const PlacedWeight &weight : weights.weights)
    list.push_back(json::Object{{"name", weight.name},
                                {"layout", weight.layout},
                                {"bytes", weight.bytes}});
  return json::Object{{"bytes", weights.dataBytes},
                      {"tensors", static_cast<int64_t>(weights.weights.size())},
                      {"layouts", std::move(layouts)},
                      {"list", std::move(list)}};
}

/// The numbers of an object by name; JSON keeps them in no order.
static std::map<StringRef, int64_t> readNumbers(const json::Object &object) {
  std::map<StringRef, int64_t> numbers;
  for (auto &[name, value] : object)
    numbers[name] = value.getAsInteger().value_or(0);
  return numbers;
}

static void printEntry(llvm::raw_ostream &os, const json::Object &entry) {
  os << "\nEntry " << *entry.getString("name") << "\n ";
  for (StringRef kind : {"inputs", "outputs", "states"}) {
    size_t count = entry.getArray(kind)->size();
    os << " " << count << " " << (count == 1 ? kind.drop_back() : kind);
  }
  os << "\n";
  if (const json::Object *arena = entry.getObject("arena")) {
    os << llvm::formatv("  scratch memory {0:N} bytes",
                        *arena->getInteger("bytes"));
    const char *between = " for ";
    for (auto &[name, value] : readNumbers(*arena->getObject("at"))) {
      os << between << name << " " << value;
      between = ", ";
    }
    os << "\n";
  }
  if (const json::Object *operators = entry.getObject("operators"))
    for (auto &[name, count] : readNumbers(*operators))
      os << llvm::formatv("  {0,6} {1}\n", count, name);
}

void llmc::printPlan(llvm::raw_ostream &os, const json::Object &plan) {
  os << "would write ";
  if (auto bundle = plan.getString("bundle"))
    os << "'" << *bundle << "'";
  else
    os << "a bundle";
  os << " for " << *plan.getString("cpu") << " (" << *plan.getString("triple")
     << "), recipe " << *plan.getString("recipe") << "\n\nWeights\n";
  const json::Object &weights = *plan.getObject("weights");
  os << llvm::formatv("  {0:N} bytes in {1} tensors\n",
                      *weights.getInteger("bytes"),
                      *weights.getInteger("tensors"));
  std::map<StringRef, const json::Object *> layouts;
  for (auto &[layout, value] : *weights.getObject("layouts"))
    layouts[layout] = value.getAsObject();
  for (auto &[layout, count] : layouts)
    os << llvm::formatv("  {0,6} {1,-16} {2:N} bytes\n",
                        *count->getInteger("tensors"), layout,
                        *count->getInteger("bytes"));
  for (const json::Value &entry : *plan.getArray("entries"))
    printEntry(os, *entry.getAsObject());
  const json::Array &files = *plan.getArray("files");
  if (!files.empty())
    os << "\nFiles to take along\n";
  for (const json::Value &file : files)
    os << "  " << *file.getAsString() << "\n";
}
