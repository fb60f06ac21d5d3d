//===- ToyBundle.cpp - A bundle made by hand, for tests -------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "llmc/Support/Hash.h"
#include "llvm/TargetParser/Host.h"
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <gtest/gtest.h>

using namespace llmc;

static const char kManifest[] = R"({
  "format": 1, "llmc": "0.1.0",
  "target": {"triple": "@TRIPLE@", "cpu": "generic", "features": []},
  "code": {"file": "model.so", "bytes": @CODE_BYTES@, "xxh3": "@CODE_HASH@"},
  "weights": {"file": "weights.safetensors", "bytes": @WEIGHTS_BYTES@,
              "tensors": {"w": {"xxh3": "@W_HASH@", "layout": "f32"}}},
  "entries": [
    {"name": "main", "symbols": [{"name": "n", "min": 0, "max": 100000}],
     "inputs": [{"name": "a", "dtype": "f32", "shape": ["n"]},
                {"name": "b", "dtype": "f32", "shape": ["n"]}],
     "outputs": [{"name": "sum", "dtype": "f32", "shape": ["n"]}], "states": []},
    {"name": "lm",
     "symbols": [{"name": "seq", "min": 1, "max": 4}, {"name": "past", "min": 0},
                 {"name": "n_logits", "min": 0},
                 {"name": "context", "min": 1, "max": 64}],
     "inputs": [{"name": "ids", "dtype": "i64", "shape": ["seq"]}],
     "outputs": [{"name": "logits", "dtype": "f32", "shape": ["n_logits", 32]}],
     "states": [{"name": "seen", "dtype": "f32", "shape": ["context"]}]}],
  "language_model": {"entry": "lm", "vocabulary": 32, "context": 16, "chunk": 4,
                     "bos": 1, "eos": [2], "policy": {"attention_mask": "ones"}},
  "recipe": "f32",
  "source": {"file": "toy_model.c", "bytes": 1, "xxh3": "", "producer": "hand"}
})";

std::string llmc::readFile(const std::string &path) {
  std::string content;
  FILE *file = fopen(path.c_str(), "rb");
  if (!file)
    return content;
  char piece[65536];
  while (size_t count = fread(piece, 1, sizeof(piece), file))
    content.append(piece, count);
  fclose(file);
  return content;
}

void llmc::writeFile(const std::string &path, const std::string &content) {
  FILE *file = fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr) << path;
  ASSERT_EQ(fwrite(content.data(), 1, content.size(), file), content.size());
  ASSERT_EQ(fclose(file), 0);
}

static void replace(std::string &text, const std::string &from,
                    const std::string &to) {
  size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
}

ToyBundle::ToyBundle() {
  folder = testing::TempDir() + "/llmc-toy-XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  fill();
}

ToyBundle::ToyBundle(const std::string &folder) : folder(folder), stays(true) {
  fill();
}

void ToyBundle::fill() {
  manifest = kManifest;
  code = readFile(TOY_MODEL);
  setHeader(R"({"w":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}})", 64);
  float first = 2;
  memcpy(weights.data() + weights.size() - 64, &first, sizeof(first));
  replace(manifest, "@TRIPLE@", llvm::sys::getProcessTriple());
  replace(manifest, "@CODE_BYTES@", std::to_string(code.size()));
  replace(manifest, "@CODE_HASH@", hashText(code.data(), code.size()));
  replace(manifest, "@WEIGHTS_BYTES@", std::to_string(weights.size()));
  replace(manifest, "@W_HASH@",
          hashText(weights.data() + weights.size() - 64, 64));
  write();
}

ToyBundle::~ToyBundle() {
  if (stays)
    return;
  std::error_code code;
  std::filesystem::remove_all(folder, code);
}

void ToyBundle::setHeader(std::string header, size_t dataBytes) {
  header.append(64 - (8 + header.size()) % 64, ' ');
  uint64_t length = header.size();
  weights.assign(reinterpret_cast<char *>(&length), 8);
  weights += header;
  weights.append(dataBytes, '\0');
}

void ToyBundle::addText(const std::string &name, const std::string &content) {
  writeFile(folder + "/" + name, content);
  edit("\"entries\": [", R"("files": [{"file": ")" + name + R"(", "bytes": )" +
                             std::to_string(content.size()) + R"(, "xxh3": ")" +
                             hashText(content.data(), content.size()) + R"("}],
  "entries": [)");
}

void ToyBundle::edit(const std::string &from, const std::string &to) {
  replace(manifest, from, to);
}

void ToyBundle::write() {
  writeFile(folder + "/manifest.json", manifest);
  writeFile(folder + "/model.so", code);
  writeFile(folder + "/weights.safetensors", weights);
}

std::string llmc::openError(const ToyBundle &bundle, llmc_status &status,
                            bool noVerify) {
  llmc_model_options options = {sizeof(options), 2, noVerify};
  llmc_error *error = nullptr;
  llmc_model *model = llmc_model_open(bundle.folder.c_str(), &options, &error);
  if (model) {
    llmc_model_free(model);
    status = LLMC_OK;
    return "opened";
  }
  status = llmc_error_status(error);
  std::string text = llmc_error_text(error);
  llmc_error_free(error);
  return text;
}
