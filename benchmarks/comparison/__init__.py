# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""llmc beside other runtimes, on the same model, in the same minutes."""
