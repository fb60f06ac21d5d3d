# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Write or print small npy files without NumPy.

npy.py write FILE f4|i8 SHAPE VALUE...   SHAPE like 2x3 or 3
npy.py print FILE                        dtype, shape and values of an npy file
"""
import ast
import struct
import sys

CODES = {"<f4": "f", "<i8": "q"}

if sys.argv[1] == "write":
    _, _, path, kind, shape, *values = sys.argv
    extents = tuple(int(e) for e in shape.split("x"))
    header = str({"descr": "<" + kind, "fortran_order": False, "shape": extents})
    header = header.ljust(117) + "\n"
    data = struct.pack("<%d%s" % (len(values), CODES["<" + kind]), *[float(v) if kind == "f4" else int(v) for v in values])
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)
else:
    content = open(sys.argv[2], "rb").read()
    (length,) = struct.unpack("<H", content[8:10])
    header = ast.literal_eval(content[10 : 10 + length].decode())
    code = CODES[header["descr"]]
    data = content[10 + length :]
    print(header["descr"], header["shape"], *struct.unpack("<%d%s" % (len(data) // struct.calcsize(code), code), data))
