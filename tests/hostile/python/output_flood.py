# guarantee: output is neither kept nor shown
# expect: failed
import os
import sys

LINE = "x" * (1 << 20)
for _ in range(500):
    print(LINE)
    sys.stderr.write(LINE)
    os.write(1, LINE.encode())


def add(a, b):
    return None
