# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a command whose stdout and stderr are a terminal: terminal.py COMMAND...

Prints what it wrote, where a carriage return with what erases the line is <cr>,
and the exit code."""
import os
import pty
import sys

os.environ.setdefault("TERM", "xterm")
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

seen = b""
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:  # how Linux says that nobody holds the other end
        break
    if not piece:
        break
    seen += piece
_, status = os.waitpid(pid, 0)
sys.stdout.write(seen.decode().replace("\r\n", "\n").replace("\r\x1b[K", "<cr>"))
print("exit code", os.waitstatus_to_exitcode(status))
