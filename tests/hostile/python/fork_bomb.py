# guarantee: no process can be forked
# expect: failed
import os

BREACH = False
for _ in range(200):
    try:
        if os.fork() == 0:
            while True:
                os.fork()
        BREACH = True
    except OSError:
        break


def add(a, b):
    return a + b if BREACH else None
