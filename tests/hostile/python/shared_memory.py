# guarantee: what a sample keeps in shared memory and named semaphores is its own, and gone for the next one
# expect: failed twice
import multiprocessing
import os
import numpy

BREACH = False
try:
    # /dev/shm is the private /tmp, in which the interpreter's packages may lie
    BREACH = any(not numpy.__file__.startswith(f"/tmp/{name}/") for name in os.listdir("/dev/shm"))
    LOCK = multiprocessing.Lock()
    for name in ("@MARKER@", "sem.@MARKER@"):
        with open(f"/dev/shm/{name}", "w") as kept:
            kept.write("kept")
except OSError:
    pass


def add(a, b):
    return a + b if BREACH else None
