//===- Import.cpp - ONNX models become nn modules -------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "llmc/Import/Import.h"

#include "Importer.h"
#include "llmc/Import/WireWalker.h"
#include "llmc/Support/Hash.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace llmc;
using llvm::Error;
using llvm::Expected;

std::string ImportedModel::fileHash() const {
  ArrayRef<char> bytes = weights->getFile(fileNumber).bytes();
  return hashText(bytes.data(), bytes.size());
}

Expected<ImportedModel> llmc::importOnnx(MLIRContext &context, StringRef path,
                                         const ImportOptions &options) {
  context.loadDialect<nn::NNDialect, arith::ArithDialect, func::FuncDialect>();
  ImportedModel result;
  result.file = path.str();
  if (llvm::sys::fs::is_directory(path)) {
    SmallString<256> file(path);
    llvm::sys::path::append(file, "model.onnx");
    result.file = file.str().str();
  }
  result.folder = llvm::sys::path::parent_path(result.file).str();
  if (result.folder.empty())
    result.folder = ".";
  result.weights = std::make_unique<WeightStore>();
  auto named = [&](Error error) {
    return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                   result.file + ": " +
                                       llvm::toString(std::move(error)));
  };

  auto file = FileMap::open(result.file);
  if (!file)
    return file.takeError();
  ArrayRef<char> bytes = (*file)->bytes();
  result.fileNumber = result.weights->addFile(std::move(*file));
  auto stripped = onnx::stripModel(bytes);
  if (!stripped)
    return named(stripped.takeError());
  onnx::Model model;
  std::string what = onnx::decodeModel(stripped->bytes, stripped->spans, model);
  if (!what.empty())
    return named(llvm::createStringError(llvm::inconvertibleErrorCode(), what));
  stripped->bytes = std::string();

  onnx::Importer importer(context, model, options, result.folder,
                          result.fileNumber, *result.weights);
  auto module = importer.run();
  if (!module)
    return named(module.takeError());
  result.module = std::move(*module);
  result.stored = importer.takeStored();
  result.producer = model.producer;
  result.producerVersion = model.producerVersion;
  result.irVersion = model.irVersion;
  for (const auto &[domain, version] : model.opsets)
    result.opsets[domain.empty() ? "ai.onnx" : domain] = version;
  return result;
}
