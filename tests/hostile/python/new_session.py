# guarantee: a sample cannot leave its session to live on
# expect: failed
import os

BREACH = False
for attempt in (os.setsid, lambda: os.setpgid(0, 0), lambda: os.setpgrp()):
    try:
        attempt()
        BREACH = True
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
