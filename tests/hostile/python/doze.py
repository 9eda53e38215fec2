# guarantee: a program that sleeps and computes in turns gets no more than its limit
# expect: timeout
import time


def add(a, b):
    while True:
        time.sleep(0.1)
        started = time.thread_time()
        while time.thread_time() - started < 0.01:
            pass
