# guarantee: limits and priorities cannot be raised
# expect: failed
import os
import resource

BREACH = False
for which in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
    try:
        resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        BREACH = True
    except (OSError, ValueError):
        pass
for attempt in (lambda: os.nice(-5), lambda: os.sched_setaffinity(0, {0})):
    try:
        attempt()
        BREACH = True
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
