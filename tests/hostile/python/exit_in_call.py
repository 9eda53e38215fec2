# guarantee: ending the process inside a call is not passing
# expect: error
import os


def add(a, b):
    os._exit(0)
