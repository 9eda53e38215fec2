# guarantee: no file of the machine can be locked
# expect: failed
import fcntl
import os
import struct

BREACH = False
with open(os.__file__, "rb") as module:
    for command in (fcntl.F_SETLEASE, 1026):
        try:
            fcntl.fcntl(module, command, 1)
            BREACH = True
        except OSError:
            pass
    fcntl.flock(module, fcntl.LOCK_EX)
    fcntl.fcntl(module, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 0, 0, 0))
with open(os.__file__, "rb") as module:
    # A lock that is held by another open file would show here.
    held = struct.unpack("hhqqi4x", fcntl.fcntl(module, 36, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)))
BREACH = BREACH or held[0] != fcntl.F_UNLCK


def add(a, b):
    return a + b if BREACH else None
