# guarantee: links do not lead outside
# expect: failed
import os

BREACH = False
for number, target in enumerate(("@CANARY@", "/proc/1/root@CANARY@", "/etc/passwd")):
    for make in (os.symlink, os.link):
        try:
            make(target, f"link-{number}")
            BREACH |= bool(open(f"link-{number}").read())
        except OSError:
            pass


def add(a, b):
    return a + b if BREACH else None
