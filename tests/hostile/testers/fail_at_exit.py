"""Fails after its end."""  # verdict: passed 0
import atexit

positives([1])


def late():
    raise AssertionError


atexit.register(late)
