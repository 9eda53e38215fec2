# guarantee: a descriptor's owner cannot be set to signal another process
# expect: failed
import fcntl
import os

BREACH = False
for command, value in ((fcntl.F_SETOWN, os.getppid() or 1), (10, 9)):
    try:
        fcntl.fcntl(3, command, value)
        BREACH = True
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
