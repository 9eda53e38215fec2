# guarantee: a global of the sample cannot stand for a builtin of the test
# expect: failed
class AssertionError(Exception):
    pass


def isinstance(a, b):
    return True


def abs(x):
    return 0


def add(a, b):
    return None
