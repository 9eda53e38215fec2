# guarantee: files of the user and of the system cannot be read
# expect: failed
import glob
import os

BREACH = False
for path in ("@CANARY@", "/etc/passwd", "/etc/shadow", *glob.glob("/home/*/.*"), *glob.glob("/root/.*")):
    for route in (path, "/proc/self/root" + path, "/proc/1/root" + path, "/old" + path, "../../../../../.." + path):
        try:
            BREACH |= bool(open(route).read())
        except (OSError, UnicodeDecodeError):
            pass


def add(a, b):
    return a + b if BREACH else None
