//===- Fault.h - What went wrong, for people ------------------------------===//
//
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The error value of the runtime world: whose fault it is and one sentence.
// Functions that can fail return a Fault, which is false when all went well,
// and write their result through a reference.
//
//===----------------------------------------------------------------------===//
#ifndef LLMC_SUPPORT_FAULT_H
#define LLMC_SUPPORT_FAULT_H

#include <string>
#include <utility>

namespace llmc {

/// Whose fault it is; the numbers are the exit codes of `llmc`.
enum class Blame : int {
  None = 0,
  /// The input or the model.
  Input = 1,
  /// The caller: a name or a value no model could take.
  Usage = 2,
  /// The machine: a retry, or more memory or space, may help.
  Machine = 3,
};

struct [[nodiscard]] Fault {
  Blame blame = Blame::None;
  /// One sentence, lower case, without a final period.
  std::string text;

  explicit operator bool() const { return blame != Blame::None; }

  static Fault input(std::string text) {
    return {Blame::Input, std::move(text)};
  }
  static Fault usage(std::string text) {
    return {Blame::Usage, std::move(text)};
  }
  static Fault machine(std::string text) {
    return {Blame::Machine, std::move(text)};
  }
};

} // namespace llmc

#endif // LLMC_SUPPORT_FAULT_H
