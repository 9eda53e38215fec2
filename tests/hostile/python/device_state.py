# guarantee: what a sample does to descriptors and devices is nobody else's
# expect: failed twice
import fcntl
import os
import time

BREACH = False
for descriptor in (0, 1, 2):
    BREACH = BREACH or bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_APPEND | os.O_NONBLOCK))
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
for device in ("/dev/null", "/dev/zero", "/dev/urandom", os.__file__):
    before = os.stat(device)
    for attempt in (lambda: os.utime(device), lambda: os.chmod(device, 0o777), lambda: os.chmod(device, 0o600)):
        try:
            attempt()
        except OSError:
            pass
    after = os.stat(device)
    BREACH = BREACH or (after.st_mtime, after.st_mode) != (before.st_mtime, before.st_mode)
    BREACH = BREACH or after.st_mtime > time.time() - 1


def add(a, b):
    return a + b if BREACH else None
