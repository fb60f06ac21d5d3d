//===- Fixture.h - Plugins and matrices for tests --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_TEST_UNIT_PLUGIN_FIXTURE_H
#define LLMC_TEST_UNIT_PLUGIN_FIXTURE_H

#include "llmc/Driver/Registration.h"
#include "llmc/Methods/Method.h"
#include "llmc/Plugin/Check.h"
#include "llmc/Support/SplitMix.h"
#include "mlir/IR/DialectRegistry.h"
#include <string>
#include <vector>

namespace llmc::test {

/// A plugin of the tests.
inline std::string pathOf(llvm::StringRef name) {
  return (LLMC_TEST_PLUGINS "/" + name + ".so").str();
}

/// What `llmc plugin check` finds.
inline llvm::Expected<CheckReport> check(llvm::StringRef file,
                                         int64_t seconds) {
  mlir::DialectRegistry dialects;
  registerAllDialects(dialects);
  registerAllPasses();
  return checkPlugin(file, seconds, dialects, [](const CheckResult &) {});
}

struct Numbers {
  int64_t rows, columns;
  std::vector<float> values;

  Numbers(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), values(rows * columns) {
    SplitMix random{7};
    for (float &value : values)
      value = static_cast<float>(random.unit() - random.unit() + random.unit() -
                                 random.unit());
  }
  MatrixView view() const {
    return {"layers.0.up", values.data(), RealType::F32,
            rows,          columns,       columns};
  }
};

} // namespace llmc::test

#endif // LLMC_TEST_UNIT_PLUGIN_FIXTURE_H
