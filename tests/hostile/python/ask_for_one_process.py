# guarantee: a sample cannot ask to run in one process with its test
# expect: failed error
import os


class Agreeable:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


class Agree(Exception, Agreeable):
    pass


def check(candidate):
    return None


def add(a, b):
    return Agreeable()
