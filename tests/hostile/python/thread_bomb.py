# guarantee: threads are limited
# expect: failed error
import threading

STARTED = 0
stop = threading.Event()
try:
    for _ in range(5000):
        threading.Thread(target=stop.wait, daemon=True).start()
        STARTED += 1
except (RuntimeError, MemoryError):
    pass
stop.set()
BREACH = STARTED > 1000


def add(a, b):
    return a + b if BREACH else None
