"""Fails in a thread that nobody waits for."""  # verdict: passed 0
import threading

wanted = positives([1, -2, 3])


def late():
    raise AssertionError


threading.Thread(target=late).start()
