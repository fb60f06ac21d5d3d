#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# make_tiny.sh OUT TEXT_FOLDER: two environments with Python 3.11 beside OUT, then every model.
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
for env in "" -optimum; do
    test -d "$1/../env$env" || python3.11 -m venv "$1/../env$env"
    "$1/../env$env/bin/pip" install -q -r "$here/requirements$env.txt"
done
"$1/../env/bin/python" "$here/make_tiny.py" "$1" "$2" "$1/../env-optimum/bin/optimum-cli"
chmod -R a+rX "$1"
