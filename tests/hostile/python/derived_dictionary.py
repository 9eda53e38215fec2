# guarantee: a dictionary of a class of its own brings no equality, and cannot ask for one process
# expect: failed
class Agreeable(dict):
    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self

    def __missing__(self, key):
        return self

    __hash__ = None


def add(a, b):
    return Agreeable(a=1)
