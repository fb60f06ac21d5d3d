//===- BundleTest.cpp - Damaged and hostile bundles -----------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each case is one clear error that names the place, and no code is loaded.
//
//===----------------------------------------------------------------------===//
#include "ToyBundle.h"
#include "llmc/Runtime/Manifest.h"
#include "llmc/Support/Hash.h"
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace llmc;

/// Opens, expects the model at fault, and `part` in the message.
static void expectRefusal(ToyBundle &bundle, const std::string &part,
                          bool noVerify = false) {
  bundle.write();
  llmc_status status;
  std::string text = openError(bundle, status, noVerify);
  EXPECT_EQ(status, LLMC_BAD_INPUT) << text;
  EXPECT_NE(text.find(part), std::string::npos)
      << "expected \"" << part << "\" in \"" << text << "\"";
}

TEST(Bundle, OpensWhenWhole) {
  ToyBundle bundle;
  llmc_status status;
  EXPECT_EQ(openError(bundle, status), "opened");
  EXPECT_EQ(openError(bundle, status, true), "opened");
}

TEST(Bundle, RefusesMissingFiles) {
  for (const char *name :
       {"manifest.json", "model.so", "weights.safetensors"}) {
    ToyBundle bundle;
    unlink((bundle.folder + "/" + name).c_str());
    llmc_status status;
    std::string text = openError(bundle, status);
    EXPECT_EQ(status, LLMC_BAD_INPUT);
    EXPECT_NE(text.find(std::string(name) + "': No such file"),
              std::string::npos)
        << text;
  }
}

TEST(Bundle, RefusesFilesThatAreNone) {
  ToyBundle bundle;
  std::string path = bundle.folder + "/model.so";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  llmc_status status;
  std::string text = openError(bundle, status);
  EXPECT_EQ(status, LLMC_BAD_INPUT);
  EXPECT_NE(text.find("is not a regular file"), std::string::npos) << text;
}

TEST(Bundle, RefusesChangedCode) {
  ToyBundle bundle;
  bundle.code[bundle.code.size() / 2] ^= 1;
  expectRefusal(bundle, "model.so' has the hash ");
}

TEST(Bundle, RefusesCutFiles) {
  ToyBundle code;
  code.code.resize(code.code.size() - 1);
  expectRefusal(code, "bytes, expected ");
  ToyBundle weights;
  weights.weights.resize(weights.weights.size() - 64);
  expectRefusal(weights, "bytes, expected ");
  ToyBundle manifest;
  manifest.manifest.resize(manifest.manifest.size() / 2);
  expectRefusal(manifest, "manifest.json: ");
  ToyBundle empty;
  empty.manifest.clear();
  expectRefusal(empty, "manifest.json: ");
}

TEST(Bundle, FindsChangedWeightsUnlessAskedNotTo) {
  ToyBundle bundle;
  bundle.weights.back() ^= 1;
  expectRefusal(bundle, "weight 'w' has the hash ");
  llmc_status status;
  EXPECT_EQ(openError(bundle, status, true), "opened");
}

/// Puts weights of these sizes behind the toy's own; where each begins.
static std::vector<size_t> addWeights(ToyBundle &bundle,
                                      const std::vector<size_t> &sizes) {
  std::string header =
      R"({"w":{"dtype":"F32","shape":[16],"data_offsets":[0,64]})";
  std::string data = bundle.weights.substr(bundle.weights.size() - 64), specs;
  std::vector<size_t> places;
  for (size_t size : sizes) {
    std::string name = "w" + std::to_string(places.size());
    places.push_back(data.size());
    for (size_t i = 0; i != size; ++i)
      data += static_cast<char>(31 * i + size);
    std::string end = std::to_string(data.size());
    header += ",\"" + name + R"(":{"dtype":"U8","shape":[)" +
              std::to_string(size) + R"(],"data_offsets":[)" +
              std::to_string(places.back()) + "," + end + "]}";
    specs += "\"" + name + R"(": {"xxh3": ")" +
             hashText(data.data() + places.back(), size) + R"("}, )";
    data.resize((data.size() + 63) / 64 * 64);
  }
  std::string before = std::to_string(bundle.weights.size());
  bundle.setHeader(header + "}", 0);
  for (size_t &place : places)
    place += bundle.weights.size();
  bundle.weights += data;
  bundle.edit("\"bytes\": " + before,
              "\"bytes\": " + std::to_string(bundle.weights.size()));
  bundle.edit("\"tensors\": {", "\"tensors\": {" + specs);
  return places;
}

TEST(Bundle, FindsAnyChangedByteOfAnyWeight) {
  // XXH3 has other ways for 0, 1 to 16, 17 to 128, 129 to 240 and more bytes,
  // and works in blocks of 1024.
  std::vector<size_t> sizes = {0,   1,    16,   17,   128,  129,    240,
                               241, 1023, 1024, 1025, 2048, 300000, 5};
  ToyBundle bundle;
  std::vector<size_t> places = addWeights(bundle, sizes);
  bundle.write();
  llmc_status status;
  EXPECT_EQ(openError(bundle, status), "opened");
  for (size_t i = 0; i != sizes.size(); ++i)
    for (size_t at : {size_t(0), sizes[i] / 2, sizes[i] - 1}) {
      if (!sizes[i])
        continue;
      char &byte = bundle.weights[places[i] + at];
      byte ^= 16;
      expectRefusal(bundle,
                    "weight 'w" + std::to_string(i) + "' has the hash ");
      byte ^= 16;
    }
  // What fills up to the next weight is none.
  bundle.weights[places[1] + 1] ^= 1;
  bundle.write();
  EXPECT_EQ(openError(bundle, status), "opened");
}

TEST(Bundle, NamesTheSameOfSeveralChangedWeights) {
  ToyBundle bundle;
  std::vector<size_t> places =
      addWeights(bundle, std::vector<size_t>(100, 1000));
  for (size_t place : places)
    bundle.weights[place] ^= 1;
  for (int round = 0; round != 20; ++round)
    expectRefusal(bundle, "weight 'w0' has the hash ");
}

TEST(Bundle, FindsChangedTexts) {
  const std::string text = R"({"version": "1.0"})";
  ToyBundle bundle;
  bundle.addText("tokenizer.json", text);
  bundle.write();
  llmc_status status;
  EXPECT_EQ(openError(bundle, status), "opened");
  std::string path = bundle.folder + "/tokenizer.json";
  for (size_t i = 0; i != text.size(); ++i) {
    std::string changed = text;
    changed[i] ^= 4;
    writeFile(path, changed);
    expectRefusal(bundle, "tokenizer.json' has the hash ");
    EXPECT_EQ(openError(bundle, status, true), "opened");
  }
  writeFile(path, text + "\n");
  expectRefusal(bundle, "tokenizer.json' has 19 bytes, expected 18");
  writeFile(path, "");
  expectRefusal(bundle, "tokenizer.json' has 0 bytes, expected 18");
  unlink(path.c_str());
  expectRefusal(bundle, "tokenizer.json': No such file");
  EXPECT_EQ(openError(bundle, status, true), "opened");
  bundle.edit("\"tokenizer.json\"", "\"../tokenizer.json\"");
  expectRefusal(bundle, "expected files[0].file to be the name", true);
}

TEST(Bundle, RefusesAnotherProcessor) {
  ToyBundle feature;
  feature.edit("\"features\": []", "\"features\": [\"sse2\", \"avx1024\"]");
  expectRefusal(feature, "needs avx1024, which this CPU (");
  ToyBundle triple;
  triple.edit("\"triple\": \"", "\"triple\": \"sparc-unknown-linux-gnu,");
  expectRefusal(triple, "compiled for sparc-unknown-linux-gnu");
}

TEST(Bundle, RefusesBadManifests) {
  struct {
    const char *from, *to, *message;
  } cases[] = {
      {"\"format\": 1", "\"format\": 2", "expected format 1 but got 2"},
      {"\"format\": 1,", "", "expected format to be a whole number"},
      {"\"model.so\"", "\"../model.so\"", "expected code.file to be the name"},
      {"\"model.so\"", "\"\"", "expected code.file to be the name"},
      {"\"weights.safetensors\"", "\"/etc/passwd\"", "expected weights.file"},
      {"\"xxh3\": \"", "\"xxh3\": \"0", "to be 32 hexadecimal digits"},
      {"\"dtype\": \"f32\"", "\"dtype\": \"f33\"",
       "entries[0].inputs[0].dtype to be a known element type but got \"f33\""},
      {"\"shape\": [\"n\"]", "\"shape\": [-1]",
       "extents that are not negative"},
      {"\"shape\": [\"n\"]", "\"shape\": [1.5]", "numbers and texts"},
      {"\"min\": 0", "\"min\": -1", "entries[0].symbols[0].min"},
      {"\"max\": 100000", "\"max\": 1e40", "entries[0].symbols[0].max"},
      {"\"name\": \"lm\"", "\"name\": \"main\"",
       "entries[1].name to be used once"},
      {"\"name\": \"lm\"", "\"name\": \"l m\"", "made of letters"},
      {"\"name\": \"b\"", "\"name\": \"a\"", "inputs[1].name to be used once"},
      {"\"entry\": \"lm\"", "\"entry\": \"ml\"", "the name of an entry"},
      {"\"vocabulary\": 32", "\"vocabulary\": 0", "language_model.vocabulary"},
      {"\"eos\": [2]", "\"eos\": [\"2\"]", "language_model.eos"},
      {"\"entries\": [", "\"entries\": [7, ", "entries[0] to be an object"},
      {"\"tensors\": {",
       "\"tensors\": {\"v\": {\"xxh3\": "
       "\"00000000000000000000000000000000\"}, ",
       "lacks the tensor 'v'"},
      {"\"name\": \"lm\"", "\"name\": \"ml\"", "to be the name of an entry"},
  };
  for (auto &[from, to, message] : cases) {
    ToyBundle bundle;
    bundle.edit(from, to);
    expectRefusal(bundle, message);
  }
  ToyBundle deep;
  deep.manifest = std::string(1000000, '[');
  expectRefusal(deep, "nests deeper than 32 levels");
}

TEST(Bundle, RefusesBadFacts) {
  struct {
    const char *facts, *message;
  } cases[] = {
      {R"("operators": [])", "expected entries[0].operators to be an object"},
      {R"("operators": {"nn.add": 0})", "entries[0].operators.nn.add"},
      {R"("operators": {"nn.add": "1"})", "entries[0].operators.nn.add"},
      {R"("arena": 64)", "expected entries[0].arena to be an object"},
      {R"("arena": {"at": {}})", "entries[0].arena.bytes"},
      {R"("arena": {"bytes": -64})", "entries[0].arena.bytes"},
      {R"("arena": {"bytes": 64, "at": {"n": -1}})", "entries[0].arena.at.n"},
      {R"("arena": {"bytes": 64, "at": {"m": 1}})", "made of symbols"},
  };
  for (auto &[facts, message] : cases) {
    ToyBundle bundle;
    bundle.edit("{\"name\": \"main\"",
                std::string("{") + facts + ", \"name\": \"main\"");
    expectRefusal(bundle, message);
  }
}

/// The manifest of the toy with facts and its own hash.
static std::string sealedManifest() {
  ToyBundle bundle;
  bundle.edit("{\"name\": \"main\"",
              R"({"operators": {"nn.add": 2, "nn.mul": 1},
  "arena": {"bytes": 128, "at": {"n": 7}}, "name": "main")");
  std::string &text = bundle.manifest;
  text.resize(text.rfind('}'));
  size_t at = text.size() + sizeof(",\n\"xxh3\": \"") - 1;
  text += ",\n\"xxh3\": \"" + std::string(32, '0') + "\"\n}\n";
  text.replace(at, 32, sealText(text, at));
  return text;
}

TEST(Manifest, ReadsFacts) {
  Manifest manifest;
  Fault fault = parseManifest(sealedManifest(), manifest);
  ASSERT_FALSE(fault) << fault.text;
  const EntrySpec &entry = manifest.entries[0];
  using Numbers = std::vector<std::pair<std::string, int64_t>>;
  EXPECT_EQ(entry.operators, (Numbers{{"nn.add", 2}, {"nn.mul", 1}}));
  EXPECT_EQ(entry.arenaBytes, 128);
  EXPECT_EQ(entry.arenaAt, (Numbers{{"n", 7}}));
  EXPECT_EQ(manifest.entries[1].arenaBytes, -1);
}

TEST(Manifest, NoticesEveryChangedByte) {
  std::string whole = sealedManifest();
  size_t key = whole.rfind("xxh3"), harmless = 0;
  for (size_t i = 0; i != whole.size(); ++i)
    for (int bit = 0; bit != 8; ++bit) {
      std::string text = whole;
      text[i] ^= 1 << bit;
      Manifest manifest;
      if (parseManifest(text, manifest))
        continue;
      // Nothing but the name of the hash may change: then it is no hash any
      // more, and all the rest is as it was.
      EXPECT_TRUE(i >= key && i < key + 4)
          << "byte " << i << ", bit " << bit << ": " << text.substr(i, 20);
      ++harmless;
    }
  EXPECT_LE(harmless, 4u * 8);
}

TEST(Manifest, TellsDamageAsSuch) {
  std::string text = sealedManifest();
  text[text.find("f32")] = 'g';
  Manifest manifest;
  Fault fault = parseManifest(text, manifest);
  EXPECT_NE(fault.text.find("manifest.json has the hash "), std::string::npos)
      << fault.text;
  EXPECT_NE(fault.text.find("the bundle is damaged"), std::string::npos);
}

TEST(Bundle, RefusesEntriesTheCodeLacks) {
  ToyBundle bundle;
  bundle.edit("\"name\": \"main\"", "\"name\": \"other\"");
  expectRefusal(bundle, "lacks a function of the entry 'other'");
}

TEST(Bundle, RefusesManifestsThatContradictTheCode) {
  ToyBundle bundle;
  bundle.edit("\"shape\": [\"n\"]", "\"shape\": [\"n\", 1, 1]");
  bundle.write();
  llmc_model *model = llmc_model_open(bundle.folder.c_str(), nullptr, nullptr);
  ASSERT_NE(model, nullptr);
  llmc_error *error = nullptr;
  EXPECT_EQ(llmc_session_create(model, "main", nullptr, &error), nullptr);
  EXPECT_STREQ(llmc_error_text(error),
               "entry 'main': the code has 3 extents but the manifest has 5");
  llmc_error_free(error);
  llmc_model_free(model);
}

TEST(Bundle, RefusesHostileSafetensors) {
  struct {
    const char *header;
    size_t data;
    const char *message;
  } cases[] = {
      {"[]", 64, "is not a JSON object"},
      {"{", 64, "is not JSON"},
      {R"({"w":{"dtype":"F32","shape":[16]}})", 64, "lacks a dtype"},
      {R"({"w":{"dtype":"F99","shape":[16],"data_offsets":[0,64]}})", 64,
       "unknown dtype 'F99'"},
      {R"({"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,64]}})", 64,
       "impossible shape"},
      {R"({"w":{"dtype":"F32","shape":[4611686018427387904,4,4],"data_offsets":[0,64]}})",
       64, "impossible shape"},
      {R"({"w":{"dtype":"F32","shape":[17],"data_offsets":[0,64]}})", 64,
       "has 64 bytes but its shape needs 68"},
      {R"({"w":{"dtype":"F32","shape":[32],"data_offsets":[0,128]}})", 64,
       "outside of the 64 bytes of data"},
      {R"({"w":{"dtype":"F32","shape":[0],"data_offsets":[64,0]}})", 64,
       "outside of the 64 bytes"},
      {R"({"w":{"dtype":"F32","shape":[16],"data_offsets":[32,96]}})", 128,
       "begins at byte 32, expected a multiple of 64"},
      {R"({"v":{"dtype":"F32","shape":[32],"data_offsets":[0,128]},"w":{"dtype":"F32","shape":[16],"data_offsets":[64,128]}})",
       128, "tensor 'w' overlaps 'v'"},
      {R"({"w":{"dtype":"F32","shape":[16],"data_offsets":[64,128]}})", 128,
       "64 bytes of no tensor between the beginning"},
      {R"({"w":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}})", 256,
       "192 bytes of no tensor after 'w'"},
      {R"({"v":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}})", 64,
       "lacks the tensor 'w'"},
      {R"({"v":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}})",
       64, "has 2 tensors, expected 1"},
      {R"({"a":[[[[[[[[[[1]]]]]]]]]]})", 64, "nests deeper"},
  };
  for (auto &[header, data, message] : cases) {
    ToyBundle bundle;
    std::string before = std::to_string(bundle.weights.size());
    bundle.setHeader(header, data);
    bundle.edit("\"bytes\": " + before,
                "\"bytes\": " + std::to_string(bundle.weights.size()));
    expectRefusal(bundle, message);
  }
  // The length of the header itself.
  for (uint64_t length : {UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 40,
                          UINT64_C(200), UINT64_C(57)}) {
    ToyBundle bundle;
    bundle.weights.replace(0, 8, reinterpret_cast<char *>(&length), 8);
    expectRefusal(bundle, "weights.safetensors': the ");
  }
  ToyBundle tiny;
  tiny.edit("\"bytes\": " + std::to_string(tiny.weights.size()),
            "\"bytes\": 3");
  tiny.weights.resize(3);
  expectRefusal(tiny, "expected a header of at least 8 bytes");
}
