# guarantee: other processes cannot be seen
# expect: failed
import glob
import os

BREACH = len(glob.glob("/proc/[0-9]*/status")) > 0
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        BREACH |= bool(open(path, "rb").read())
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
