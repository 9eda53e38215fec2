# guarantee: the environment of the parent is not passed on
# expect: failed
import os

BREACH = "@SECRET@" in str(dict(os.environ))
for path in ("/proc/self/environ", "/proc/1/environ", f"/proc/{os.getppid()}/environ"):
    try:
        BREACH |= b"@SECRET@" in open(path, "rb").read()
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
