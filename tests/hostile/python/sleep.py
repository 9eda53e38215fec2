# guarantee: a sleeping sample ends at the limit
# expect: timeout
import time


def add(a, b):
    time.sleep(1000)
    return a + b
