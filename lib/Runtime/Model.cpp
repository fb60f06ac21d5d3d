//===- Model.cpp - Open a bundle ------------------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The order matters: what is read is checked before what is loaded, and code
// is loaded last.
//
//===----------------------------------------------------------------------===//
#include "Model.h"
#include "llmc/Runtime/Bundle.h"
#include <cstring>
#include <dlfcn.h>
#include <new>
#include <unistd.h>

using namespace llmc;

void llmc::report(Fault fault, llmc_error **error) {
  if (error)
    *error = new llmc_error{std::move(fault)};
}

llmc_status llmc_error_status(const llmc_error *error) {
  return static_cast<llmc_status>(error->fault.blame);
}

const char *llmc_error_text(const llmc_error *error) {
  return error->fault.text.c_str();
}

void llmc_error_free(llmc_error *error) { delete error; }

llmc_model::~llmc_model() {
  team.reset();
  if (library)
    dlclose(library);
}

/// Loads the code and finds the functions of every entry.
static Fault loadCode(llmc_model &model) {
  std::string path = model.folder + "/" + model.manifest.code.file;
  // A name without a slash would be searched for in the library path.
  if (path[0] != '/')
    path = "./" + path;
  model.library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!model.library)
    return Fault::input(std::string("cannot load the code: ") + dlerror());
  for (const EntrySpec &entry : model.manifest.entries) {
    EntryCode code;
    auto find = [&](const char *prefix) {
      return dlsym(model.library, (prefix + entry.name).c_str());
    };
    code.run = reinterpret_cast<llmc_run_fn>(find("llmc_run_"));
    code.arena = reinterpret_cast<llmc_arena_fn>(find("llmc_arena_"));
    code.shape = reinterpret_cast<llmc_shape_fn>(find("llmc_shape_"));
    code.replay = reinterpret_cast<llmc_replay_fn>(find("llmc_replay_"));
    if (!code.run || !code.arena || !code.shape)
      return Fault::input("'" + path + "' lacks a function of the entry '" +
                          entry.name + "'");
    model.code.push_back(code);
  }
  return {};
}

static Fault openModel(llmc_model &model, const char *folder,
                       const llmc_model_options &options) {
  if (!folder || !*folder)
    return Fault::usage("expected the folder of a bundle but got nothing");
  model.folder = folder;
  if (Fault fault = readManifest(model.folder, model.manifest))
    return fault;
  if (Fault fault = checkProcessor(model.manifest))
    return fault;
  Weights weights;
  if (Fault fault = openWeights(model.folder, model.manifest, weights))
    return fault;
  if (Fault fault = checkCode(model.folder, model.manifest))
    return fault;
  // The system reads ahead while the rest happens.
  weights.file.willNeed();
  model.weights = weights.file.data() + weights.dataOffset;
  model.weightBytes = weights.file.size() - weights.dataOffset;
  model.team = std::make_unique<Team>(options.threads ? options.threads
                                                      : defaultThreadCount());
  if (!options.no_verify)
    if (Fault fault =
            verifyBundle(model.folder, model.manifest, weights, *model.team))
      return fault;
  if (Fault fault = checkIndices(model.manifest, weights))
    return fault;
  model.weightsFile = std::move(weights.file);
  if (model.manifest.hasLanguageModel) {
    const EntrySpec *entry =
        model.manifest.entry(model.manifest.languageModel.entry);
    for (const char *symbol : {"seq", "past", "n_logits", "context"})
      if (entry->symbol(symbol) < 0)
        return Fault::input("bundle '" + model.folder + "': the entry '" +
                            entry->name +
                            "' of the language model lacks the "
                            "symbol '" +
                            symbol + "'");
    model.maxContext = entry->symbols[entry->symbol("context")].max;
  }
  return loadCode(model);
}

llmc_model *llmc_model_open(const char *dir, const llmc_model_options *options,
                            llmc_error **error) {
  llmc_model_options all = {};
  // Callers built against an older header know fewer fields.
  if (options)
    memcpy(&all, options, std::min(options->size, sizeof(all)));
  auto model = std::make_unique<llmc_model>();
  if (Fault fault = openModel(*model, dir, all)) {
    report(std::move(fault), error);
    return nullptr;
  }
  return model.release();
}

void llmc_model_free(llmc_model *model) { delete model; }

size_t llmc_model_entry_count(const llmc_model *model) {
  return model->manifest.entries.size();
}

const char *llmc_model_entry_name(const llmc_model *model, size_t index) {
  if (index >= model->manifest.entries.size())
    return nullptr;
  return model->manifest.entries[index].name.c_str();
}

unsigned llmc_model_threads(const llmc_model *model) {
  return model->team->size();
}

uint64_t llmc_model_weight_bytes(const llmc_model *model) {
  return model->weightBytes;
}

int llmc_model_language_model(const llmc_model *model,
                              llmc_language_model *out) {
  if (!model->manifest.hasLanguageModel)
    return 0;
  const LanguageModelSpec &spec = model->manifest.languageModel;
  *out = {spec.entry.c_str(), spec.vocabulary, spec.context,
          model->maxContext,  spec.chunk,      spec.bos,
          spec.eos.size(),    spec.eos.data()};
  return 1;
}
