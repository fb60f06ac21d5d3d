//===- Check.h - Does a plugin keep what it must? --------------*- C++ -*-===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_PLUGIN_CHECK_H
#define LLMC_PLUGIN_CHECK_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace llmc {

enum class CheckStatus {
  Passed,
  Failed,
  /// The method does not take the format, and says so: no fault.
  Refused
};

/// One check of one method with one format, or of a format of the plugin; then
/// `method` is the name of that, and `format` how it is used; or of a metric, which
/// is then `method`, and `format` is "metric"; or of what a C++ plugin brings, where
/// `format` is "pass", "slot", "operator" or "dialect".
struct CheckResult {
  std::string method, format, check;
  CheckStatus status = CheckStatus::Passed;
  /// What was measured, or what is wrong; in lines, if a sanitizer says it.
  std::string text;
};

struct CheckReport {
  std::string vendor, version;
  std::vector<CheckResult> results;

  bool passed() const;
  size_t count(CheckStatus status) const;
};

/// Runs every method of a plugin on matrices of many kinds: accuracy beside rtn,
/// the same bytes for any number of threads, shapes that are odd, constant
/// numbers, numbers that are not finite, requests to stop, arrays between pages
/// that nobody may touch, and what many runs leave behind; and uses every format
/// in the encoder, the decoder and kernels for this processor; and every metric on
/// rows of many kinds, from several threads; every pass, and what a plugin puts into
/// a slot, on a few modules; and every handler of an ONNX operator on nodes of many
/// kinds. Each check runs in a process of its
/// own that may take `seconds`; the plugin is not loaded into this one. Of a plugin
/// that was built with sanitizers, what they report of a method with a format, or
/// of a metric, is a result "sanitizer" behind the others. Fails only where the
/// plugin cannot be loaded. `done` hears of every result. `dialects` are those of
/// llmc.
llvm::Expected<CheckReport>
checkPlugin(llvm::StringRef file, int64_t seconds,
            mlir::DialectRegistry &dialects,
            llvm::function_ref<void(const CheckResult &)> done);

/// A plugin that was built with a sanitizer needs its runtime in the process from
/// the beginning. Where it is not there, runs this program again, with the same
/// arguments and the runtime in LD_PRELOAD, and does not return; fails if it
/// cannot. Changes the environment. To be called while there is one thread.
llvm::Error restartForSanitizers(llvm::StringRef file);

} // namespace llmc

#endif // LLMC_PLUGIN_CHECK_H
