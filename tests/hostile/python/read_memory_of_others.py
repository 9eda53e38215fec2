# guarantee: neither the tester's memory nor any other can be read through /proc
# expect: failed
import glob
import os
import re

FOUND = []
for path in {f"/proc/{os.getppid()}/mem", "/proc/1/mem", *glob.glob("/proc/[0-9]*/mem")} - {f"/proc/{os.getpid()}/mem"}:
    try:
        maps = open(path[:-3] + "maps").read()
        memory = open(path, "rb")
        for start, end in re.findall(r"([0-9a-f]+)-([0-9a-f]+) rw", maps):
            memory.seek(int(start, 16))
            FOUND += re.findall(rb"expected-answer-\w+", memory.read(int(end, 16) - int(start, 16)))
    except (OSError, ValueError, OverflowError):
        pass


def add(a, b):
    return FOUND[0].decode() if FOUND else None
