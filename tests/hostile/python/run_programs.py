# guarantee: no program can be executed
# expect: failed
import os
import subprocess

BREACH = False
for attempt in (
    lambda: subprocess.run(["/bin/true"], check=True),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: os.execv("/bin/true", ["true"]),
):
    try:
        attempt()
        BREACH = True
    except OSError:
        pass
BREACH |= os.system("true") == 0


def add(a, b):
    return a + b if BREACH else None
