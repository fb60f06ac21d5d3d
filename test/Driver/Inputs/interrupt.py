# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Plays a person who chats at a terminal: interrupt.py DIR

Asks the slow question w31, presses Ctrl-C during the answer, asks the quick w6,
leaves with Ctrl-D. Prints what stood on the terminal and the exit code."""
import os
import pty
import sys
import time

pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp("llmc", ["llmc", "chat", sys.argv[1], "--context", "64", "--threads", "1"])

seen = b""


def wait_for(text, count=1):
    global seen
    deadline = time.time() + 60
    while seen.count(text) < count and time.time() < deadline:
        try:
            seen += os.read(terminal, 1024)
        except OSError:
            break


wait_for(b"> ")
os.write(terminal, b"w31\n")
wait_for(b"w19")
os.write(terminal, b"\x03")
wait_for(b"> ", 2)
os.write(terminal, b"/clear\n")
wait_for(b"> ", 3)
os.write(terminal, b"w6\n")
wait_for(b"> ", 4)
# Ctrl-C at the prompt does nothing but begin a new line.
os.write(terminal, b"\x03")
wait_for(b"> ", 5)
os.write(terminal, b"\x04")
wait_for(b"nothing, so that the rest is read")
_, status = os.waitpid(pid, 0)
print(seen.decode().replace("\r", ""))
print("exit code", os.waitstatus_to_exitcode(status))
