# guarantee: no other process can be signalled
# expect: failed
import os
import signal

BREACH = False
for pid in (os.getppid(), 1, 0, -1, *range(2, 50)):
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGINT if pid in (0, -1) else 0)
            BREACH = True
        except OSError:
            pass


def add(a, b):
    return a + b if BREACH else None
