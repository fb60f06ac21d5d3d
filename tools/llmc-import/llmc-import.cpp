//===- llmc-import.cpp - Prints the nn module of an ONNX model ------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A tool for tests: `llmc-import MODEL [NAME=VALUE…]` imports, verifies and
// prints. People use `llmc compile MODEL --emit=nn`.
//
//===----------------------------------------------------------------------===//
#include "llmc/Driver/Registration.h"
#include "llmc/Import/Import.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  llmc::ImportOptions options;
  for (int i = 2; i < argc; ++i) {
    auto [name, text] = llvm::StringRef(argv[i]).split('=');
    int64_t value;
    if (name.empty() || text.getAsInteger(10, value)) {
      llvm::errs() << "error: expected NAME=VALUE but got '" << argv[i]
                   << "'\n";
      return 2;
    }
    options.dims.emplace_back(name.str(), value);
  }
  if (argc < 2) {
    llvm::errs() << "usage: llmc-import MODEL [NAME=VALUE...]\n";
    return 2;
  }
  mlir::DialectRegistry registry;
  llmc::registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  auto model = llmc::importOnnx(context, argv[1], options);
  if (!model) {
    llvm::errs() << "error: " << llvm::toString(model.takeError()) << "\n";
    return 1;
  }
  model->module->print(llvm::outs());
  return 0;
}
