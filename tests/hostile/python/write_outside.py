# guarantee: nothing can be written outside the private scratch space
# expect: failed
import os
import sys

BREACH = False
for folder in (os.path.dirname("@CANARY@"), "/", "/usr", "/etc", "/dev", "/var/tmp", "/root", os.path.dirname(os.__file__)):
    try:
        with open(os.path.join(folder, "@MARKER@"), "w") as file:
            file.write("was here")
        BREACH = True
    except OSError:
        pass
try:
    os.remove("@CANARY@")
    BREACH = True
except OSError:
    pass


def add(a, b):
    return a + b if BREACH else None
