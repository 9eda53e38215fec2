# guarantee: open files are limited
# expect: failed
KEPT = []
try:
    while len(KEPT) < 5_000:
        KEPT.append(open("/dev/null"))
except OSError:
    pass
BREACH = len(KEPT) > 1_000


def add(a, b):
    return a + b if BREACH else None
