//===- VerbRun.cpp - llmc run ---------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arrays from files into a model, and its outputs into files or onto the
// screen.
//
//===----------------------------------------------------------------------===//
#include "Verbs.h"
#include "llmc/Formats/Floats.h"
#include "llmc/Runtime/Manifest.h"
#include "llmc/Runtime/Npy.h"
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>

using namespace llmc;

/// "'x' f32 [batch, 784]" for every input.
static std::string inputsText(const llmc_session *session) {
  std::string text;
  for (size_t i = 0; i != llmc_session_input_count(session); ++i) {
    const llmc_signature *in = llmc_session_input_signature(session, i);
    text += fmt::format("{}'{}' {} [", i ? ", " : "", in->name,
                        dtypeName(in->dtype));
    for (size_t axis = 0; axis != in->rank; ++axis)
      text += fmt::format("{}{}", axis ? ", " : "", in->formulas[axis]);
    text += "]";
  }
  return text;
}

static Fault setInput(llmc_session *session, const std::string &name,
                      Array &array) {
  llmc_tensor tensor = {array.dtype, array.extents.size(), array.extents.data(),
                        array.bytes.data()};
  llmc_error *error = nullptr;
  if (llmc_session_set_input(session, name.c_str(), &tensor, &error))
    return takeError(error);
  return {};
}

/// Reads the files of --input into the session.
static Fault readInputs(const Arguments &arguments, llmc_session *session) {
  std::set<std::string> given;
  auto set = [&](const std::string &name, Array &array) -> Fault {
    if (!given.insert(name).second)
      return Fault::usage("input '" + name + "' is given twice");
    return setInput(session, name, array);
  };
  size_t count = llmc_session_input_count(session);
  for (const std::string &text : arguments.all("input")) {
    // A name may hold '=' itself, so the names of the model decide.
    std::string name, path = text;
    for (size_t i = 0; i != count; ++i) {
      std::string known = llmc_session_input_signature(session, i)->name;
      if (text.starts_with(known + "=") && known.size() >= name.size()) {
        name = known;
        path = text.substr(known.size() + 1);
      }
    }
    if (name.empty() && text.find('=') != std::string::npos) {
      size_t equals = text.find('=');
      return Fault::usage("the entry has no input '" + text.substr(0, equals) +
                          "'; it takes " + inputsText(session));
    }
    if (path.ends_with(".npz")) {
      if (!name.empty())
        return Fault::usage("an npz file names its arrays itself: write "
                            "--input " +
                            path);
      std::vector<NamedArray> arrays;
      if (Fault fault = readNpz(path, arrays))
        return fault;
      for (auto &[member, array] : arrays)
        if (Fault fault = set(member, array))
          return fault;
      continue;
    }
    if (name.empty()) {
      if (count != 1)
        return Fault::usage("expected --input NAME=FILE; the entry takes " +
                            inputsText(session));
      name = llmc_session_input_signature(session, 0)->name;
    }
    Array array;
    if (Fault fault = readNpy(path, array))
      return fault;
    if (Fault fault = set(name, array))
      return fault;
  }
  for (size_t i = 0; i != count; ++i) {
    const char *name = llmc_session_input_signature(session, i)->name;
    if (!given.count(name))
      return Fault::usage(std::string("input '") + name +
                          "' is not given; the entry takes " +
                          inputsText(session));
  }
  return {};
}

static std::string elementText(const llmc_tensor &tensor, size_t index) {
  auto get = [&](auto value) {
    memcpy(&value,
           static_cast<const char *>(tensor.data) + index * sizeof(value),
           sizeof(value));
    return value;
  };
  switch (tensor.dtype) {
  case LLMC_F32:
    return fmt::format("{}", get(float()));
  case LLMC_F64:
    return fmt::format("{}", get(double()));
  case LLMC_F16:
    return fmt::format("{}", f16ToFloat(get(uint16_t())));
  case LLMC_BF16:
    return fmt::format("{}", bf16ToFloat(get(uint16_t())));
  case LLMC_I8:
    return fmt::format("{}", int(get(int8_t())));
  case LLMC_I16:
    return fmt::format("{}", get(int16_t()));
  case LLMC_I32:
    return fmt::format("{}", get(int32_t()));
  case LLMC_I64:
    return fmt::format("{}", get(int64_t()));
  case LLMC_U8:
    return fmt::format("{}", unsigned(get(uint8_t())));
  case LLMC_U16:
    return fmt::format("{}", get(uint16_t()));
  case LLMC_U32:
    return fmt::format("{}", get(uint32_t()));
  case LLMC_U64:
    return fmt::format("{}", get(uint64_t()));
  case LLMC_BOOL:
    return get(uint8_t()) ? "true" : "false";
  }
  return "?";
}

static size_t elementCount(const llmc_tensor &tensor) {
  size_t count = 1;
  for (size_t i = 0; i != tensor.rank; ++i)
    count *= tensor.extents[i];
  return count;
}

static std::string shapeText(const llmc_tensor &tensor) {
  std::string text = "[";
  for (size_t i = 0; i != tensor.rank; ++i)
    text += fmt::format("{}{}", i ? ", " : "", tensor.extents[i]);
  return text + "]";
}

/// A file name for an output: ONNX names hold slashes and colons.
static std::string fileName(std::string name) {
  for (char &c : name)
    if (!isalnum(static_cast<unsigned char>(c)) && !strchr("._-+", c))
      c = '_';
  if (name.empty() || name[0] == '.')
    name = "_" + name;
  return name + ".npy";
}

static Fault makeFolder(const std::string &path) {
  for (size_t at = 1; at <= path.size(); ++at)
    if (at == path.size() || path[at] == '/')
      if (mkdir(path.substr(0, at).c_str(), 0777) && errno != EEXIST)
        return Fault::input("cannot make the folder '" + path +
                            "': " + strerror(errno));
  return {};
}

static Fault writeOutputs(const std::string &folder, llmc_session *session,
                          Terminal &terminal) {
  if (Fault fault = makeFolder(folder))
    return fault;
  std::set<std::string> used;
  for (size_t i = 0; i != llmc_session_output_count(session); ++i) {
    const char *name = llmc_session_output_signature(session, i)->name;
    llmc_tensor tensor;
    (void)llmc_session_output(session, name, &tensor, nullptr);
    std::string file = fileName(name);
    while (!used.insert(file).second)
      file = "_" + file;
    std::string path = folder + "/" + file;
    uint64_t bytes = elementCount(tensor) * elementBytes(tensor.dtype);
    if (Fault fault = writeNpy(
            path, tensor.dtype, {tensor.extents, tensor.rank},
            {static_cast<const uint8_t *>(tensor.data), size_t(bytes)}))
      return fault;
    terminal.note(fmt::format("wrote {}: {} {}{}", path,
                              dtypeName(tensor.dtype), shapeText(tensor),
                              tensor.dtype == LLMC_BF16 ? " as u16 bits" : ""));
  }
  return {};
}

static void printOutputs(llmc_session *session, Terminal &terminal) {
  constexpr size_t limit = 8;
  for (size_t i = 0; i != llmc_session_output_count(session); ++i) {
    const char *name = llmc_session_output_signature(session, i)->name;
    llmc_tensor tensor;
    (void)llmc_session_output(session, name, &tensor, nullptr);
    size_t count = elementCount(tensor);
    std::string text = fmt::format("{} {} {}:", name, dtypeName(tensor.dtype),
                                   shapeText(tensor));
    for (size_t k = 0; k != std::min(count, limit); ++k)
      text += " " + elementText(tensor, k);
    if (count > limit)
      text += fmt::format(" ... and {} more", count - limit);
    terminal.out(text + "\n");
  }
}

int llmc::runRun(const Arguments &arguments, Terminal &terminal) {
  std::vector<std::pair<std::string, int64_t>> dims;
  if (Fault fault = parseDims(arguments, dims))
    return terminal.fail(fault);
  llmc_session_options options = {sizeof(options), 0, 0};
  if (Fault fault = arguments.number("context", 1, 1 << 30, options.context))
    return terminal.fail(fault);
  ModelHandle model;
  if (Fault fault = openModel(arguments, model))
    return terminal.fail(fault);
  std::string entry = arguments.text("entry");
  llmc_error *error = nullptr;
  SessionHandle session(llmc_session_create(
      model.get(), arguments.has("entry") ? entry.c_str() : nullptr, &options,
      &error));
  if (!session)
    return terminal.fail(takeError(error));
  for (auto &[name, value] : dims)
    if (llmc_session_set_symbol(session.get(), name.c_str(), value, &error))
      return terminal.fail(takeError(error));
  if (Fault fault = readInputs(arguments, session.get()))
    return terminal.fail(fault);
  if (llmc_session_run(session.get(), &error))
    return terminal.fail(takeError(error));
  if (!arguments.has("output-dir")) {
    printOutputs(session.get(), terminal);
    return 0;
  }
  if (Fault fault =
          writeOutputs(arguments.text("output-dir"), session.get(), terminal))
    return terminal.fail(fault);
  return 0;
}
