# guarantee: a file left behind is not there for the next sample
# expect: failed twice
import os

PATHS = [os.path.join(folder, "@MARKER@-kept") for folder in ("/tmp", "/dev/shm", "/var/tmp", ".")]
BREACH = any(os.path.exists(path) for path in PATHS)
for path in PATHS:
    try:
        open(path, "w").close()
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
