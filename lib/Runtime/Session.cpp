//===- Session.cpp - Inputs, outputs and state of one entry ---------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A run binds the symbols, asks the code for all extents, compares them with
// what is there, and calls the code. Memory grows to the largest run and stays,
// so that a decode step allocates nothing.
//
//===----------------------------------------------------------------------===//
#include "Session.h"
#include "llvm/ADT/StringRef.h"
#include <algorithm>
#include <cstring>

using namespace llmc;

namespace {
/// What the code calls for parallel work.
struct Host {
  llmc_ctx ctx;
  Team *team;
  unsigned threads;
};
} // namespace

static std::string quoted(const std::string &name) { return "'" + name + "'"; }

/// Names of a list, for messages.
static std::string namesOf(const std::vector<TensorSpec> &tensors) {
  std::string text;
  for (const TensorSpec &tensor : tensors)
    text += (text.empty() ? "" : ", ") + quoted(tensor.name);
  return text.empty() ? "none" : text;
}

static std::string shapeText(llvm::ArrayRef<int64_t> extents) {
  std::string text = "[";
  for (size_t i = 0; i != extents.size(); ++i)
    text += (i ? ", " : "") + std::to_string(extents[i]);
  return text + "]";
}

//===----------------------------------------------------------------------===//
// Creation
//===----------------------------------------------------------------------===//

static void bindSymbols(llmc_session &session) {
  const EntrySpec &entry = *session.entry;
  for (const SymbolSpec &symbol : entry.symbols) {
    Binding binding = {Binding::Unbound};
    int index = session.bindings.size();
    for (size_t i = 0; i != entry.inputs.size(); ++i)
      for (size_t axis = 0; axis != entry.inputs[i].shape.size(); ++axis)
        if (binding.kind == Binding::Unbound &&
            entry.inputs[i].shape[axis].symbol == index)
          binding = {Binding::Extent, i, static_cast<int64_t>(axis)};
    if (binding.kind == Binding::Unbound) {
      if (symbol.input >= 0)
        binding = {Binding::Element, static_cast<size_t>(symbol.input),
                   symbol.element};
      else if (symbol.name == "past")
        binding = {Binding::Position};
      else if (symbol.name == "context")
        binding = {Binding::Context};
      else if (symbol.name == "n_logits" && entry.symbol("seq") >= 0)
        binding = {Binding::LogitRows};
    }
    session.bindings.push_back(binding);
  }
  session.symbols.assign(entry.symbols.size(), 0);
  session.chosen.assign(entry.symbols.size(), false);
  auto managed = [&](const char *name, Binding::Kind kind) {
    int index = entry.symbol(name);
    return index >= 0 && session.bindings[index].kind == kind ? index : -1;
  };
  session.seq = entry.symbol("seq");
  session.past = managed("past", Binding::Position);
  session.logitRows = managed("n_logits", Binding::LogitRows);
}

static void fillSlots(const std::vector<TensorSpec> &specs,
                      std::vector<Slot> &slots) {
  slots.resize(specs.size());
  for (size_t i = 0; i != specs.size(); ++i) {
    Slot &slot = slots[i];
    slot.spec = &specs[i];
    for (const DimSpec &dim : specs[i].shape) {
      slot.fixedExtents.push_back(dim.extent);
      slot.formulas.push_back(dim.text.c_str());
    }
    slot.extents.assign(specs[i].shape.size(), 0);
    slot.signature = {specs[i].name.c_str(), specs[i].dtype,
                      specs[i].shape.size(), slot.fixedExtents.data(),
                      slot.formulas.data()};
  }
}

/// Extents of the states depend on the context alone, so they can be had now.
static Fault makeStates(llmc_session &session) {
  const EntrySpec &entry = *session.entry;
  std::vector<int64_t> symbols(entry.symbols.size());
  for (size_t i = 0; i != symbols.size(); ++i)
    symbols[i] = session.bindings[i].kind == Binding::Context
                     ? session.context
                     : entry.symbols[i].min;
  size_t places = 0, before = 0;
  for (auto *list : {&entry.inputs, &entry.outputs, &entry.states})
    for (const TensorSpec &tensor : *list) {
      places += tensor.shape.size();
      before += list != &entry.states ? tensor.shape.size() : 0;
    }
  // Guards behind the last place tell when code and manifest disagree.
  constexpr int64_t guard = INT64_MIN + 77;
  session.dims.assign(places + 256, guard);
  session.code.shape(symbols.data(), session.dims.data());
  size_t written = 0;
  while (written != session.dims.size() && session.dims[written] != guard)
    ++written;
  if (written != places)
    return Fault::input("entry " + quoted(entry.name) + ": the code has " +
                        std::to_string(written) +
                        " extents but the manifest has " +
                        std::to_string(places));
  std::vector<uint64_t> offsets;
  const int64_t *dims = session.dims.data() + before;
  for (const TensorSpec &state : entry.states) {
    llvm::ArrayRef<int64_t> extents(dims, state.shape.size());
    dims += state.shape.size();
    uint64_t bytes;
    if (!tensorBytes(state.dtype, extents, bytes) ||
        session.stateBytes + bytes > (UINT64_C(1) << 60))
      return Fault::input("state " + quoted(state.name) +
                          " has the impossible shape " + shapeText(extents));
    offsets.push_back(session.stateBytes);
    session.stateBytes +=
        (bytes + LLMC_ALIGNMENT - 1) / LLMC_ALIGNMENT * LLMC_ALIGNMENT;
  }
  if (Fault fault = session.states.reserve(session.stateBytes))
    return fault;
  session.buffers.assign(entry.inputs.size() + entry.outputs.size(), nullptr);
  for (uint64_t offset : offsets)
    session.buffers.push_back(static_cast<char *>(session.states.data()) +
                              offset);
  return {};
}

static Fault createSession(llmc_session &session, llmc_model &model,
                           const char *name,
                           const llmc_session_options &options) {
  const Manifest &manifest = model.manifest;
  if (!name)
    name = manifest.entries.size() == 1 ? manifest.entries[0].name.c_str()
                                        : "main";
  session.model = &model;
  session.entry = manifest.entry(name);
  if (!session.entry) {
    std::string known;
    for (const EntrySpec &entry : manifest.entries)
      known += (known.empty() ? "" : ", ") + quoted(entry.name);
    return Fault::usage("the model has no entry " + quoted(name) + "; it has " +
                        known);
  }
  const EntrySpec &entry = *session.entry;
  session.code = model.code[session.entry - manifest.entries.data()];
  unsigned team = model.team->size();
  session.threads = options.threads ? std::min(options.threads, team) : team;
  bindSymbols(session);
  fillSlots(entry.inputs, session.inputs);
  fillSlots(entry.outputs, session.outputs);

  int context = entry.symbol("context");
  if (context >= 0 && session.bindings[context].kind == Binding::Context) {
    const SymbolSpec &symbol = entry.symbols[context];
    session.context = options.context;
    if (!options.context)
      session.context = manifest.hasLanguageModel &&
                                manifest.languageModel.entry == entry.name
                            ? manifest.languageModel.context
                            : std::min<int64_t>(symbol.max, 2048);
    if (session.context < symbol.min || session.context > symbol.max)
      return Fault::input("the model can hold a context of " +
                          std::to_string(symbol.min) + " to " +
                          std::to_string(symbol.max) + " tokens but " +
                          std::to_string(session.context) +
                          " were asked for; what it can hold is set when it "
                          "is compiled");
  } else if (options.context) {
    return Fault::usage("entry " + quoted(entry.name) + " has no context");
  }
  return makeStates(session);
}

llmc_session *llmc_session_create(llmc_model *model, const char *entry,
                                  const llmc_session_options *options,
                                  llmc_error **error) {
  llmc_session_options all = {};
  if (options)
    memcpy(&all, options, std::min(options->size, sizeof(all)));
  auto session = std::make_unique<llmc_session>();
  if (Fault fault = createSession(*session, *model, entry, all)) {
    report(std::move(fault), error);
    return nullptr;
  }
  return session.release();
}

void llmc_session_free(llmc_session *session) { delete session; }

//===----------------------------------------------------------------------===//
// Inputs and outputs
//===----------------------------------------------------------------------===//

static Slot *findSlot(std::vector<Slot> &slots, llvm::StringRef name) {
  for (Slot &slot : slots)
    if (slot.spec->name == name)
      return &slot;
  return nullptr;
}

static Fault shapeInput(llmc_session &session, const char *name, size_t rank,
                        const int64_t *extents, Slot *&slot) {
  slot = findSlot(session.inputs, name);
  if (!slot)
    return Fault::usage("entry " + quoted(session.entry->name) +
                        " has no input " + quoted(name) + "; it has " +
                        namesOf(session.entry->inputs));
  const TensorSpec &spec = *slot->spec;
  llvm::ArrayRef<int64_t> given(extents, rank);
  if (rank != spec.shape.size())
    return Fault::input("input " + quoted(name) + ": expected rank " +
                        std::to_string(spec.shape.size()) + " but got shape " +
                        shapeText(given));
  for (size_t i = 0; i != rank; ++i)
    if (spec.shape[i].extent >= 0 && spec.shape[i].extent != extents[i])
      return Fault::input("input " + quoted(name) + ": expected extent " +
                          spec.shape[i].text + " along axis " +
                          std::to_string(i) + " but got shape " +
                          shapeText(given));
  uint64_t bytes;
  if (!tensorBytes(spec.dtype, given, bytes))
    return Fault::input("input " + quoted(name) + " has the impossible shape " +
                        shapeText(given));
  if (Fault fault = slot->memory.reserve(bytes))
    return fault;
  slot->extents.assign(given.begin(), given.end());
  slot->filled = true;
  return {};
}

void *llmc_session_input(llmc_session *session, const char *name, size_t rank,
                         const int64_t *extents, llmc_error **error) {
  Slot *slot;
  if (Fault fault = shapeInput(*session, name, rank, extents, slot)) {
    report(std::move(fault), error);
    return nullptr;
  }
  return slot->memory.data();
}

llmc_status llmc_session_set_input(llmc_session *session, const char *name,
                                   const llmc_tensor *tensor,
                                   llmc_error **error) {
  auto fail = [&](Fault fault) {
    auto status = static_cast<llmc_status>(fault.blame);
    report(std::move(fault), error);
    return status;
  };
  Slot *slot = findSlot(session->inputs, name);
  if (slot && slot->spec->dtype != tensor->dtype)
    return fail(Fault::input("input " + quoted(name) + ": expected " +
                             dtypeName(slot->spec->dtype) + " but got " +
                             dtypeName(tensor->dtype)));
  if (Fault fault =
          shapeInput(*session, name, tensor->rank, tensor->extents, slot))
    return fail(std::move(fault));
  uint64_t bytes = 0;
  (void)tensorBytes(tensor->dtype, slot->extents, bytes);
  if (bytes)
    memcpy(slot->memory.data(), tensor->data, bytes);
  return LLMC_OK;
}

llmc_status llmc_session_output(llmc_session *session, const char *name,
                                llmc_tensor *out, llmc_error **error) {
  Slot *slot = findSlot(session->outputs, name);
  if (!slot || !slot->filled) {
    Fault fault =
        slot ? Fault::usage("output " + quoted(name) +
                            " has no values before the first run")
             : Fault::usage("entry " + quoted(session->entry->name) +
                            " has no output " + quoted(name) + "; it has " +
                            namesOf(session->entry->outputs));
    report(std::move(fault), error);
    return LLMC_BAD_USAGE;
  }
  *out = {slot->spec->dtype, slot->extents.size(), slot->extents.data(),
          slot->memory.data()};
  return LLMC_OK;
}

size_t llmc_session_input_count(const llmc_session *session) {
  return session->inputs.size();
}

size_t llmc_session_output_count(const llmc_session *session) {
  return session->outputs.size();
}

const llmc_signature *llmc_session_input_signature(const llmc_session *session,
                                                   size_t index) {
  return index < session->inputs.size() ? &session->inputs[index].signature
                                        : nullptr;
}

const llmc_signature *llmc_session_output_signature(const llmc_session *session,
                                                    size_t index) {
  return index < session->outputs.size() ? &session->outputs[index].signature
                                         : nullptr;
}

//===----------------------------------------------------------------------===//
// Symbols and runs
//===----------------------------------------------------------------------===//

llmc_status llmc_session_set_symbol(llmc_session *session, const char *name,
                                    int64_t value, llmc_error **error) {
  const EntrySpec &entry = *session->entry;
  int index = entry.symbol(name);
  Fault fault;
  if (index < 0) {
    std::string known;
    for (const SymbolSpec &symbol : entry.symbols)
      known += (known.empty() ? "" : ", ") + quoted(symbol.name);
    fault = Fault::usage("entry " + quoted(entry.name) + " has no symbol " +
                         quoted(name) + "; it has " +
                         (known.empty() ? "none" : known));
  } else {
    Binding::Kind kind = session->bindings[index].kind;
    if (kind != Binding::Unbound && kind != Binding::LogitRows)
      fault = Fault::usage("symbol " + quoted(name) +
                           (kind == Binding::Extent || kind == Binding::Element
                                ? " is determined by an input"
                                : " belongs to the session"));
  }
  if (fault) {
    report(std::move(fault), error);
    return LLMC_BAD_USAGE;
  }
  session->symbols[index] = value;
  session->chosen[index] = true;
  return LLMC_OK;
}

static int64_t elementAt(const Slot &slot, int64_t index) {
  const char *data = static_cast<const char *>(slot.memory.data());
  auto get = [&](auto zero) -> int64_t {
    memcpy(&zero, data + index * sizeof(zero), sizeof(zero));
    return static_cast<int64_t>(zero);
  };
  switch (slot.spec->dtype) {
  case LLMC_I64:
    return get(int64_t());
  case LLMC_I32:
    return get(int32_t());
  case LLMC_I16:
    return get(int16_t());
  case LLMC_I8:
    return get(int8_t());
  case LLMC_U64:
    return get(uint64_t());
  case LLMC_U32:
    return get(uint32_t());
  case LLMC_U16:
    return get(uint16_t());
  default:
    return get(uint8_t());
  }
}

static Fault computeSymbols(llmc_session &session) {
  const EntrySpec &entry = *session.entry;
  for (size_t i = 0; i != entry.symbols.size(); ++i) {
    const SymbolSpec &symbol = entry.symbols[i];
    const Binding &binding = session.bindings[i];
    int64_t &value = session.symbols[i];
    switch (binding.kind) {
    case Binding::Extent:
      value = session.inputs[binding.input].extents[binding.index];
      break;
    case Binding::Element: {
      const Slot &slot = session.inputs[binding.input];
      uint64_t bytes = 0;
      (void)tensorBytes(slot.spec->dtype, slot.extents, bytes);
      if (static_cast<uint64_t>(binding.index) >=
          bytes / elementBytes(slot.spec->dtype))
        return Fault::input(
            "input " + quoted(slot.spec->name) + ": expected more than " +
            std::to_string(binding.index) + " elements but got shape " +
            shapeText(slot.extents));
      value = elementAt(slot, binding.index);
      break;
    }
    case Binding::Position:
      value = session.position;
      break;
    case Binding::Context:
      value = session.context;
      break;
    case Binding::LogitRows:
    case Binding::Unbound:
      if (!session.chosen[i] && binding.kind == Binding::Unbound)
        return Fault::usage("symbol " + quoted(symbol.name) + " of entry " +
                            quoted(entry.name) +
                            " is not determined by an input; set it");
      break;
    }
  }
  if (session.logitRows >= 0) {
    int64_t seq = session.symbols[session.seq];
    if (!session.chosen[session.logitRows])
      session.symbols[session.logitRows] = seq;
    else if (session.symbols[session.logitRows] > seq)
      return Fault::input("expected at most " + std::to_string(seq) +
                          " rows of logits, as many as tokens, but " +
                          std::to_string(session.symbols[session.logitRows]) +
                          " were asked for");
  }
  for (size_t i = 0; i != entry.symbols.size(); ++i) {
    const SymbolSpec &symbol = entry.symbols[i];
    if (session.symbols[i] < symbol.min || session.symbols[i] > symbol.max)
      return Fault::input("expected " + quoted(symbol.name) + " to be " +
                          (symbol.max == INT64_MAX
                               ? "at least " + std::to_string(symbol.min)
                               : std::to_string(symbol.min) + " to " +
                                     std::to_string(symbol.max)) +
                          " but got " + std::to_string(session.symbols[i]));
  }
  if (session.past >= 0 && session.seq >= 0 && session.context > 0 &&
      session.symbols[session.seq] > session.context - session.position)
    return Fault::input("the context of " + std::to_string(session.context) +
                        " tokens is full: " + std::to_string(session.position) +
                        " are in it and " +
                        std::to_string(session.symbols[session.seq]) +
                        " more were given");
  return {};
}

/// Compares the inputs with what the code expects and makes room for outputs.
static Fault applyShapes(llmc_session &session) {
  session.code.shape(session.symbols.data(), session.dims.data());
  const int64_t *dims = session.dims.data();
  size_t buffer = 0;
  for (Slot &slot : session.inputs) {
    llvm::ArrayRef<int64_t> expected(dims, slot.extents.size());
    dims += expected.size();
    if (expected != llvm::ArrayRef(slot.extents))
      return Fault::input("input " + quoted(slot.spec->name) +
                          ": expected shape " + shapeText(expected) +
                          " but got " + shapeText(slot.extents));
    session.buffers[buffer++] = slot.memory.data();
  }
  for (Slot &slot : session.outputs) {
    llvm::ArrayRef<int64_t> extents(dims, slot.extents.size());
    dims += extents.size();
    uint64_t bytes;
    if (!tensorBytes(slot.spec->dtype, extents, bytes))
      return Fault::input("output " + quoted(slot.spec->name) +
                          " has the impossible shape " + shapeText(extents));
    slot.filled = false;
    if (Fault fault = slot.memory.reserve(bytes))
      return fault;
    std::copy(extents.begin(), extents.end(), slot.extents.begin());
    session.buffers[buffer++] = slot.memory.data();
  }
  return {};
}

/// What the code refused by a negative number of bytes.
static Fault brokenCondition(const llmc_session &session, int64_t code) {
  const EntrySpec &entry = *session.entry;
  if (static_cast<uint64_t>(-1 - code) >= entry.conditions.size())
    return Fault::input("entry " + quoted(entry.name) + ": the code asks for " +
                        std::to_string(code) + " bytes of scratch memory");
  std::string text = entry.conditions[-1 - code];
  for (size_t i = 0; i != entry.symbols.size(); ++i)
    if (llvm::StringRef(text).contains(entry.symbols[i].name))
      text += ", and " + entry.symbols[i].name + " is " +
              std::to_string(session.symbols[i]);
  return Fault::input("the inputs do not fit together: " + text);
}

static Fault runSession(llmc_session &session) {
  for (const Slot &slot : session.inputs)
    if (!slot.filled)
      return Fault::usage("input " + quoted(slot.spec->name) + " is not set");
  if (Fault fault = computeSymbols(session))
    return fault;
  if (Fault fault = applyShapes(session))
    return fault;
  int64_t bytes = session.code.arena(session.symbols.data());
  if (bytes < 0)
    return brokenCondition(session, bytes);
  if (Fault fault = session.arena.reserve(bytes))
    return fault;
  session.arenaBytes = std::max<uint64_t>(session.arenaBytes, bytes);

  Host host;
  bool mine = session.threads > 1 && session.model->team->tryAcquire();
  host.team = session.model->team.get();
  host.threads = mine ? session.threads : 1;
  host.ctx.size = sizeof(llmc_ctx);
  host.ctx.parallel_for = [](llmc_ctx *ctx, llmc_range_body body, void *arg,
                             int64_t n) {
    auto *host = reinterpret_cast<Host *>(ctx);
    if (host->threads > 1)
      host->team->parallelFor(body, arg, n, host->threads);
    else if (n > 0)
      body(arg, 0, n);
  };
  session.code.run(&host.ctx, session.symbols.data(), session.buffers.data(),
                   session.model->weights, session.arena.data());
  if (mine)
    session.model->team->release();
  for (Slot &slot : session.outputs)
    slot.filled = true;
  if (session.past >= 0 && session.seq >= 0)
    session.position += session.symbols[session.seq];
  return {};
}

llmc_status llmc_session_run(llmc_session *session, llmc_error **error) {
  Fault fault = runSession(*session);
  auto status = static_cast<llmc_status>(fault.blame);
  if (fault)
    report(std::move(fault), error);
  return status;
}

int64_t llmc_session_position(const llmc_session *session) {
  return session->position;
}

int64_t llmc_session_context(const llmc_session *session) {
  return session->context;
}

void llmc_session_reset(llmc_session *session) {
  session->states.clear();
  session->position = 0;
}

llmc_status llmc_session_truncate(llmc_session *session, int64_t position,
                                  llmc_error **error) {
  Fault fault;
  int context = session->entry->symbol("context");
  for (const TensorSpec &state : session->entry->states) {
    bool cache = false;
    for (const DimSpec &dim : state.shape)
      cache |= dim.symbol >= 0 && dim.symbol == context;
    if (!cache && !fault)
      fault = Fault::usage("state " + quoted(state.name) +
                           " has no extent 'context', so it cannot go back");
  }
  if (!fault && (position < 0 || position > session->position))
    fault = Fault::usage("expected a position of 0 to " +
                         std::to_string(session->position) + " but got " +
                         std::to_string(position));
  auto status = static_cast<llmc_status>(fault.blame);
  if (fault)
    report(std::move(fault), error);
  else
    session->position = position;
  return status;
}

uint64_t llmc_session_arena_bytes(const llmc_session *session) {
  return session->arenaBytes;
}

uint64_t llmc_session_state_bytes(const llmc_session *session) {
  return session->stateBytes;
}
