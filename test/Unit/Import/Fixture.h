//===- Fixture.h - Imports files that a test wrote -------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_IMPORT_FIXTURE_H
#define LLMC_TEST_UNIT_IMPORT_FIXTURE_H

#include "OnnxWriter.h"
#include "llmc/Driver/Registration.h"
#include "llmc/Import/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace llmc::test {

/// A folder of its own for each test, and a context.
class ImportTest : public ::testing::Test {
protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "llmc-import-XXXXXX")
            .string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    context.appendDialectRegistry(registry);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &bytes) {
    std::string path = folder + "/" + name;
    std::filesystem::create_directories(
        std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  /// The text of the imported module, or what was refused.
  std::string import(const std::string &bytes, bool &good,
                     const ImportOptions &options = {}) {
    write("model.onnx", bytes);
    auto result = importOnnx(context, folder, options);
    good = static_cast<bool>(result);
    if (!result)
      return llvm::toString(result.takeError());
    std::string text;
    llvm::raw_string_ostream stream(text);
    result->module->print(stream);
    last = std::move(*result);
    return text;
  }
  std::string imported(const std::string &bytes,
                       const ImportOptions &options = {}) {
    bool good;
    std::string text = import(bytes, good, options);
    EXPECT_TRUE(good) << text;
    return text;
  }
  std::string refused(const std::string &bytes,
                      const ImportOptions &options = {}) {
    bool good;
    std::string text = import(bytes, good, options);
    EXPECT_FALSE(good) << "expected a refusal";
    return text;
  }

  std::string folder;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  ImportedModel last;
};

#define EXPECT_HAS(text, part)                                                 \
  EXPECT_NE(std::string(text).find(part), std::string::npos) << "in: " << (text)
#define EXPECT_LACKS(text, part)                                               \
  EXPECT_EQ(std::string(text).find(part), std::string::npos) << "in: " << (text)

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_IMPORT_FIXTURE_H
