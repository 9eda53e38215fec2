# guarantee: no right can be gained
# expect: failed
import os

BREACH = False
for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chroot("/tmp")):
    try:
        attempt()
        BREACH = True
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
