//===- HandlerTable.h - Who turns which node into ops ----------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_IMPORT_HANDLERTABLE_H
#define LLMC_IMPORT_HANDLERTABLE_H

#include "llmc/Import/NodeReader.h"

namespace llmc::onnx {

/// A handler that someone else brings: of nodes of this domain ("" is ai.onnx)
/// and operator, from version `since` of the domain's operator set on.
struct Converter {
  std::string domain, op;
  int64_t since = 1;
  Handler handler = nullptr;
};

/// Handlers by domain, operator and the version since which they hold.
class HandlerTable {
public:
  /// With the handlers of llmc.
  HandlerTable();
  void add(llvm::StringRef domain, llvm::StringRef op, int64_t since,
           Handler handler);
  /// The handler of the greatest version not above `version`; null where the
  /// operator is unknown or, with `oldest` set, newer.
  Handler find(llvm::StringRef domain, llvm::StringRef op, int64_t version,
               int64_t *oldest = nullptr) const;

private:
  llvm::StringMap<llvm::SmallVector<std::pair<int64_t, Handler>, 2>> table;
};

} // namespace llmc::onnx

#endif // LLMC_IMPORT_HANDLERTABLE_H
