// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nothing to find.
module {
}
