# guarantee: an endless loop in native code ends at the limit
# expect: timeout
import itertools

def add(a, b):
    return sum(itertools.repeat(0))
