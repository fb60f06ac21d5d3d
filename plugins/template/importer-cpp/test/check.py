# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""check.py LLMC PLUGIN: a model with the operator, compiled and run, agrees with NumPy in double precision."""
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, helper, save
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

llmc, plugin = sys.argv[1:]
node = helper.make_node("ScaledTanh", ["x"], ["y"], domain="@NAME@.ops", scale=2.5)
x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
opsets = [helper.make_opsetid("", 18), helper.make_opsetid("@NAME@.ops", 1)]
model = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)
values = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
with tempfile.TemporaryDirectory() as folder:
    save(model, f"{folder}/model.onnx")
    np.save(f"{folder}/x.npy", values)
    for command in ([llmc, "compile", "model.onnx", "-o", "bundle", "--plugin", plugin],
                    [llmc, "run", "bundle", "--input", "x=x.npy", "--output-dir", "out"]):
        subprocess.run(command, cwd=folder, check=True)
    np.testing.assert_allclose(np.load(f"{folder}/out/y.npy"), 2.5 * np.tanh(values.astype(np.float64)), rtol=1e-5, atol=1e-6)
