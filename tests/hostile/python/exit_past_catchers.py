# guarantee: a test that catches everything does not save a sample that has gone
# expect: error
import os


def add(a, b):
    os.close(3)
    os.kill(os.getpid(), 9)
