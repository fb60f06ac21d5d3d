//===- DataFile.cpp - The file of external data ---------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "DataFile.h"

#include "llmc/Codegen/BundleFolder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"

using namespace llmc;
using llvm::Error;
using llvm::StringRef;

DataFile::~DataFile() {
  // An error that nobody asked for must not end the program.
  if (stream) {
    stream->close();
    stream->clear_error();
  }
}

Error DataFile::open(StringRef path) {
  name = path.str();
  std::error_code code;
  stream = std::make_unique<llvm::raw_fd_ostream>(path, code,
                                                  llvm::sys::fs::OF_None);
  if (!code)
    return Error::success();
  stream.reset();
  return fileError("cannot create", name, code);
}

void DataFile::write(StringRef bytes) {
  *stream << bytes;
  size += bytes.size();
}

onnx::Place DataFile::append(llvm::ArrayRef<char> bytes) {
  uint64_t begin = llvm::alignTo(size, alignment);
  stream->write_zeros(begin - size);
  size = begin;
  write({bytes.data(), bytes.size()});
  return {begin, bytes.size()};
}

Error DataFile::close() {
  stream->close();
  std::error_code code = stream->error();
  stream->clear_error();
  stream.reset();
  return code ? fileError("cannot write", name, code) : Error::success();
}
