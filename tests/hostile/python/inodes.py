# guarantee: the number of files is limited
# expect: failed
COUNT = 0
try:
    for number in range(20_000):
        open(f"inode-{number}", "w").close()
        COUNT += 1
except OSError:
    pass
BREACH = COUNT > 5_000


def add(a, b):
    return a + b if BREACH else None
