# guarantee: memory is limited
# expect: error failed
import mmap

BLOCKS = []
try:
    while len(BLOCKS) < 400:
        BLOCKS.append(mmap.mmap(-1, 64 << 20))
except (MemoryError, OSError):
    pass
BREACH = len(BLOCKS) > 64


def add(a, b):
    return a + b if BREACH else None
