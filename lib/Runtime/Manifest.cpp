//===- Manifest.cpp - Read the manifest of a bundle -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A reader that remembers the first thing that was wrong, with its path
// ("entries[0].inputs[1].dtype"), and after that answers with empty values.
// So the code below reads like the format, and one error comes out.
//
//===----------------------------------------------------------------------===//
#include "llmc/Runtime/Manifest.h"
#include "llmc/Support/ElementName.h"
#include "llmc/Support/Hash.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::StringRef;
namespace json = llvm::json;

static constexpr struct {
  llmc_dtype dtype;
  const char *name;
  size_t bytes;
} kDTypes[] = {
    {LLMC_F32, "f32", 4},   {LLMC_F16, "f16", 2}, {LLMC_BF16, "bf16", 2},
    {LLMC_F64, "f64", 8},   {LLMC_I8, "i8", 1},   {LLMC_I16, "i16", 2},
    {LLMC_I32, "i32", 4},   {LLMC_I64, "i64", 8}, {LLMC_U8, "u8", 1},
    {LLMC_U16, "u16", 2},   {LLMC_U32, "u32", 4}, {LLMC_U64, "u64", 8},
    {LLMC_BOOL, "bool", 1},
};

size_t llmc::elementBytes(llmc_dtype dtype) {
  for (auto &known : kDTypes)
    if (known.dtype == dtype)
      return known.bytes;
  return 0;
}

const char *llmc::dtypeName(llmc_dtype dtype) {
  for (auto &known : kDTypes)
    if (known.dtype == dtype)
      return known.name;
  return "unknown";
}

bool llmc::parseDType(StringRef name, llmc_dtype &dtype) {
  for (auto &known : kDTypes)
    if (name == known.name) {
      dtype = known.dtype;
      return true;
    }
  return false;
}

bool llmc::tensorBytes(llmc_dtype dtype, llvm::ArrayRef<int64_t> extents,
                       uint64_t &bytes) {
  uint64_t total = elementBytes(dtype);
  bool empty = false;
  for (int64_t extent : extents) {
    if (extent < 0)
      return false;
    empty |= extent == 0;
    if (extent && total > (UINT64_C(1) << 62) / static_cast<uint64_t>(extent))
      return false;
    if (extent)
      total *= extent;
  }
  bytes = empty ? 0 : total;
  return true;
}

int EntrySpec::symbol(StringRef wanted) const {
  for (size_t i = 0; i != symbols.size(); ++i)
    if (symbols[i].name == wanted)
      return i;
  return -1;
}

const EntrySpec *Manifest::entry(StringRef wanted) const {
  for (const EntrySpec &entry : entries)
    if (entry.name == wanted)
      return &entry;
  return nullptr;
}

Fault llmc::checkDepth(StringRef text, unsigned limit) {
  unsigned depth = 0;
  bool quoted = false;
  for (size_t i = 0; i != text.size(); ++i) {
    char c = text[i];
    if (quoted) {
      if (c == '\\' && i + 1 != text.size())
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > limit)
        return Fault::input("the JSON text nests deeper than " +
                            std::to_string(limit) + " levels");
    } else if ((c == ']' || c == '}') && depth) {
      --depth;
    }
  }
  return {};
}

namespace {

/// Walks a JSON value and keeps the first fault.
class Reader {
public:
  Fault fault;

  void fail(const std::string &path, const std::string &expected,
            const json::Value *got) {
    if (fault)
      return;
    fault = Fault::input("manifest.json: expected " + path + " to be " +
                         expected + " but got " + describe(got));
  }

  const json::Object &object(const json::Value *value,
                             const std::string &path) {
    if (auto *object = value ? value->getAsObject() : nullptr)
      return *object;
    fail(path, "an object", value);
    return noObject;
  }

  const json::Array &array(const json::Value *value, const std::string &path) {
    if (auto *array = value ? value->getAsArray() : nullptr)
      return *array;
    fail(path, "a list", value);
    return noArray;
  }

  std::string text(const json::Object &object, StringRef key,
                   const std::string &path) {
    auto *value = object.get(key);
    if (auto text = value ? value->getAsString() : std::nullopt)
      return text->str();
    fail(path + key.str(), "a text", value);
    return {};
  }

  int64_t number(const json::Object &object, StringRef key,
                 const std::string &path, int64_t min) {
    auto *value = object.get(key);
    auto number = value ? value->getAsInteger() : std::nullopt;
    if (number && *number >= min)
      return *number;
    fail(path + key.str(), "a whole number of at least " + std::to_string(min),
         value);
    return min;
  }

  /// A name of a file in the bundle's own folder.
  std::string fileName(const json::Object &object, const std::string &path) {
    std::string name = text(object, "file", path);
    if (!fault &&
        (name.empty() || name == "." || name == ".." ||
         name.find_first_of(std::string_view("/\0", 2)) != std::string::npos))
      fail(path + "file", "the name of a file beside the manifest",
           object.get("file"));
    return name;
  }

  /// An object of whole numbers that are at least `min`; nothing without it.
  std::vector<std::pair<std::string, int64_t>>
  numbers(const json::Object &object, StringRef key, const std::string &path,
          int64_t min) {
    std::vector<std::pair<std::string, int64_t>> result;
    if (const json::Value *value = object.get(key)) {
      const json::Object &members = this->object(value, path + key.str());
      for (auto &[name, member] : members)
        result.emplace_back(name.str(),
                            number(members, name, path + key.str() + ".", min));
    }
    llvm::sort(result);
    return result;
  }

  std::string hash(const json::Object &object, const std::string &path) {
    std::string hash = text(object, "xxh3", path);
    if (!fault &&
        (hash.size() != 32 ||
         hash.find_first_not_of("0123456789abcdef") != std::string::npos))
      fail(path + "xxh3", "32 hexadecimal digits", object.get("xxh3"));
    return hash;
  }

private:
  static std::string describe(const json::Value *value) {
    if (!value)
      return "nothing";
    std::string text;
    llvm::raw_string_ostream(text) << *value;
    if (text.size() > 60)
      text = text.substr(0, 57) + "...";
    return text;
  }

  json::Object noObject;
  json::Array noArray;
};

} // namespace

static TensorSpec readTensor(Reader &in, const json::Value &value,
                             const std::string &path, const EntrySpec &entry) {
  const json::Object &object = in.object(&value, path);
  TensorSpec tensor;
  tensor.name = in.text(object, "name", path + ".");
  std::string dtype = in.text(object, "dtype", path + ".");
  if (!in.fault && !parseDType(dtype, tensor.dtype))
    in.fail(path + ".dtype", "a known element type", object.get("dtype"));
  if (object.get("format"))
    tensor.format = in.text(object, "format", path + ".");
  const json::Array &shape = in.array(object.get("shape"), path + ".shape");
  if (shape.size() > 64)
    in.fail(path + ".shape", "a list of at most 64 extents",
            object.get("shape"));
  for (const json::Value &extent : shape) {
    DimSpec dim;
    if (auto number = extent.getAsInteger()) {
      dim.extent = *number;
      dim.text = std::to_string(*number);
      if (*number < 0)
        in.fail(path + ".shape", "made of extents that are not negative",
                &extent);
    } else if (auto text = extent.getAsString()) {
      dim.text = text->str();
      dim.symbol = entry.symbol(*text);
    } else {
      in.fail(path + ".shape", "made of numbers and texts", &extent);
    }
    tensor.shape.push_back(std::move(dim));
  }
  return tensor;
}

/// Resolves symbols of the form INPUT[i].
static void resolveElements(Reader &in, EntrySpec &entry,
                            const std::string &path) {
  for (SymbolSpec &symbol : entry.symbols) {
    StringRef name = symbol.name;
    if (!isElementName(name))
      continue;
    auto [input, index] = name.drop_back().rsplit('[');
    for (size_t i = 0; i != entry.inputs.size(); ++i)
      if (entry.inputs[i].name == input)
        symbol.input = i;
    json::Value shown(name);
    if (symbol.input < 0 || index.getAsInteger(10, symbol.element) ||
        symbol.element < 0)
      return in.fail(path, "an element of an input of the entry", &shown);
    llmc_dtype dtype = entry.inputs[symbol.input].dtype;
    if (dtype == LLMC_F32 || dtype == LLMC_F16 || dtype == LLMC_BF16 ||
        dtype == LLMC_F64)
      return in.fail(path, "an element of an integer input", &shown);
  }
}

static EntrySpec readEntry(Reader &in, const json::Value &value,
                           const std::string &path) {
  const json::Object &object = in.object(&value, path);
  EntrySpec entry;
  entry.name = in.text(object, "name", path + ".");
  // The name becomes part of symbols of the code.
  if (!in.fault &&
      (entry.name.empty() ||
       entry.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
           std::string::npos))
    in.fail(path + ".name", "made of letters, digits and underscores",
            object.get("name"));
  auto &symbols = in.array(object.get("symbols"), path + ".symbols");
  for (size_t i = 0; i != symbols.size(); ++i) {
    std::string at = path + ".symbols[" + std::to_string(i) + "]";
    const json::Object &symbol = in.object(&symbols[i], at);
    SymbolSpec spec;
    spec.name = in.text(symbol, "name", at + ".");
    // An extent is not negative; an element of an input may be any number.
    if (symbol.get("min"))
      spec.min = in.number(symbol, "min", at + ".",
                           isElementName(spec.name) ? INT64_MIN : 0);
    if (symbol.get("max"))
      spec.max = in.number(symbol, "max", at + ".", spec.min);
    if (!in.fault && entry.symbol(spec.name) >= 0)
      in.fail(at + ".name", "used once", symbol.get("name"));
    entry.symbols.push_back(std::move(spec));
  }
  if (auto *conditions = object.get("conditions"))
    for (const json::Value &text : in.array(conditions, path + ".conditions")) {
      entry.conditions.push_back(text.getAsString().value_or("").str());
      if (entry.conditions.back().empty())
        in.fail(path + ".conditions", "made of texts", &text);
    }
  struct {
    const char *key;
    std::vector<TensorSpec> &list;
  } lists[] = {{"inputs", entry.inputs},
               {"outputs", entry.outputs},
               {"states", entry.states}};
  for (auto &[key, list] : lists) {
    std::string at = path + "." + key;
    auto &tensors = in.array(object.get(key), at);
    for (size_t i = 0; i != tensors.size() && !in.fault; ++i) {
      std::string where = at + "[" + std::to_string(i) + "]";
      TensorSpec tensor = readTensor(in, tensors[i], where, entry);
      for (const TensorSpec &other : list)
        if (other.name == tensor.name)
          in.fail(where + ".name", "used once",
                  in.object(&tensors[i], where).get("name"));
      list.push_back(std::move(tensor));
    }
  }
  resolveElements(in, entry, path + ".symbols");
  entry.operators = in.numbers(object, "operators", path + ".", 1);
  if (const json::Value *value = object.get("arena")) {
    std::string at = path + ".arena";
    const json::Object &arena = in.object(value, at);
    entry.arenaBytes = in.number(arena, "bytes", at + ".", 0);
    entry.arenaAt = in.numbers(arena, "at", at + ".", 0);
    for (auto &[name, number] : entry.arenaAt)
      if (!in.fault && entry.symbol(name) < 0)
        in.fail(at + ".at", "made of symbols of the entry", arena.get("at"));
  }
  return entry;
}

static std::optional<IndexSpec>
readIndices(Reader &in, const json::Value *value, const std::string &path) {
  if (!value)
    return std::nullopt;
  std::string at = path + ".indices";
  const json::Object &object = in.object(value, at);
  auto number = [&](StringRef key, int64_t least) {
    return in.number(object, key, at + ".", least);
  };
  IndexSpec spec{number("begin", 0), number("blocks", 1), number("distance", 1),
                 number("count", 1), number("bytes", 2),  number("limit", 1)};
  spec.once = object.getBoolean("once").value_or(false);
  if (!in.fault && spec.bytes != 2 && spec.bytes != 4)
    in.fail(at + ".bytes", "2 or 4", object.get("bytes"));
  if (!in.fault && spec.once && spec.count != spec.limit)
    in.fail(at + ".count", "'limit' where each is there once",
            object.get("count"));
  return spec;
}

static void readLanguageModel(Reader &in, const json::Value *value,
                              Manifest &out) {
  const std::string path = "language_model";
  const json::Object &object = in.object(value, path);
  LanguageModelSpec &model = out.languageModel;
  model.entry = in.text(object, "entry", path + ".");
  if (!in.fault && !out.entry(model.entry))
    in.fail(path + ".entry", "the name of an entry", object.get("entry"));
  model.vocabulary = in.number(object, "vocabulary", path + ".", 1);
  model.context = in.number(object, "context", path + ".", 1);
  model.chunk = in.number(object, "chunk", path + ".", 1);
  auto isNull = [](const json::Value *value) {
    return !value || value->kind() == json::Value::Null;
  };
  if (!isNull(object.get("bos")))
    model.bos = in.number(object, "bos", path + ".", 0);
  if (!isNull(object.get("bytes_per_token")))
    model.bytesPerToken = in.number(object, "bytes_per_token", path + ".", 1);
  if (!isNull(object.get("eos")))
    for (const json::Value &eos : in.array(object.get("eos"), path + ".eos")) {
      if (auto id = eos.getAsInteger())
        model.eos.push_back(*id);
      else
        in.fail(path + ".eos", "made of whole numbers", &eos);
    }
  if (const json::Object *policy = object.getObject("policy"))
    for (auto &[key, text] : *policy)
      model.policy.emplace_back(key.str(),
                                text.getAsString().value_or("").str());
}

Fault llmc::parseManifest(StringRef text, Manifest &out) {
  if (Fault fault = checkDepth(text, 32))
    return Fault::input("manifest.json: " + fault.text);
  llvm::Expected<json::Value> parsed = json::parse(text);
  if (!parsed)
    return Fault::input("manifest.json: " + llvm::toString(parsed.takeError()));
  Reader in;
  const json::Object &root = in.object(&*parsed, "the file");
  if (root.get("xxh3")) {
    // Damage is told as such, whatever it makes of the rest.
    std::string digits = in.hash(root, "");
    if (in.fault)
      return in.fault;
    size_t at = text.rfind(digits);
    std::string hash = at == StringRef::npos ? "none" : sealText(text, at);
    if (hash != digits)
      return Fault::input("manifest.json has the hash " + hash + ", expected " +
                          digits + "; the bundle is damaged");
  }
  out.format = in.number(root, "format", "", 1);
  if (!in.fault && out.format != 1)
    return Fault::input("manifest.json: expected format 1 but got " +
                        std::to_string(out.format) +
                        "; the bundle needs a newer llmc");
  out.compiler = in.text(root, "llmc", "");
  const json::Object &target = in.object(root.get("target"), "target");
  out.triple = in.text(target, "triple", "target.");
  out.cpu = in.text(target, "cpu", "target.");
  for (const json::Value &feature :
       in.array(target.get("features"), "target.features")) {
    if (auto name = feature.getAsString())
      out.features.push_back(name->str());
    else
      in.fail("target.features", "made of texts", &feature);
  }
  const json::Object &code = in.object(root.get("code"), "code");
  out.code.file = in.fileName(code, "code.");
  out.code.bytes = in.number(code, "bytes", "code.", 1);
  out.code.xxh3 = in.hash(code, "code.");
  const json::Object &weights = in.object(root.get("weights"), "weights");
  out.weights.file = in.fileName(weights, "weights.");
  out.weights.bytes = in.number(weights, "bytes", "weights.", 1);
  for (auto &[name, value] :
       in.object(weights.get("tensors"), "weights.tensors")) {
    std::string at = "weights.tensors." + name.str();
    const json::Object &tensor = in.object(&value, at);
    out.tensors.push_back(
        {name.str(), in.hash(tensor, at + "."),
         tensor.getString("layout").value_or("").str(),
         tensor.get("numbers") ? in.number(tensor, "numbers", at + ".", 1) : 0,
         readIndices(in, tensor.get("indices"), at)});
  }
  if (const json::Value *files = root.get("files"))
    for (auto [i, value] : llvm::enumerate(in.array(files, "files"))) {
      std::string at = "files[" + std::to_string(i) + "]";
      const json::Object &file = in.object(&value, at);
      at += ".";
      FileSpec &spec = out.files.emplace_back();
      spec.file = in.fileName(file, at);
      spec.bytes = in.number(file, "bytes", at, 0);
      spec.xxh3 = in.hash(file, at);
    }
  auto &entries = in.array(root.get("entries"), "entries");
  for (size_t i = 0; i != entries.size() && !in.fault; ++i) {
    EntrySpec entry =
        readEntry(in, entries[i], "entries[" + std::to_string(i) + "]");
    if (!in.fault && out.entry(entry.name))
      in.fail("entries[" + std::to_string(i) + "].name", "used once",
              entries[i].getAsObject()->get("name"));
    out.entries.push_back(std::move(entry));
  }
  if (!in.fault && out.entries.empty())
    in.fail("entries", "a list of at least one entry", root.get("entries"));
  if (const json::Value *model = root.get("language_model"))
    if (model->kind() != json::Value::Null && !in.fault) {
      out.hasLanguageModel = true;
      readLanguageModel(in, model, out);
    }
  out.recipe = root.getString("recipe").value_or("").str();
  if (const json::Object *source = root.getObject("source")) {
    out.source.file = source->getString("file").value_or("").str();
    out.source.bytes = source->getInteger("bytes").value_or(0);
    out.source.xxh3 = source->getString("xxh3").value_or("").str();
    out.producer = source->getString("producer").value_or("").str();
  }
  return in.fault;
}
