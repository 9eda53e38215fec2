# guarantee: disk space is limited
# expect: failed error
import os

WRITTEN = 0
try:
    for number in range(64):
        with open(f"fill-{number}", "wb") as file:
            for _ in range(16):
                WRITTEN += file.write(bytes(1 << 20))
                file.flush()
except OSError:
    pass
BREACH = WRITTEN > 64 << 20


def add(a, b):
    return a + b if BREACH else None
