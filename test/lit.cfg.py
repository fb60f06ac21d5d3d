# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""lit configuration: .mlir and .test files, run with llmc-opt, llmc and FileCheck."""
import os
import sys

import lit.formats

config.name = "llmc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["models", "Unit", "EndToEnd", "dialect"]
config.test_source_root = os.path.join(config.llmc_source_dir, "test")
config.test_exec_root = os.path.join(config.llmc_binary_dir, "test")
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.llmc_binary_dir, "bin"), config.llvm_tools_dir, config.environment.get("PATH", "")]
)
config.substitutions.append(("%models", os.path.join(config.test_source_root, "models")))
config.substitutions.append(("%llmc_src", config.llmc_source_dir))
# Larger models stand beside the clone, or nowhere.
shared_models = os.path.join(os.path.dirname(config.llmc_source_dir), "shared", "models")
config.substitutions.append(("%shared_models", shared_models))
if os.path.isdir(shared_models):
    config.available_features.add("shared-models")
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%toy_bundle", os.path.join(config.llmc_binary_dir, "test", "Unit", "toy-bundle")))
config.substitutions.append(("%llmc_lib", os.path.join(config.llmc_binary_dir, "lib")))
