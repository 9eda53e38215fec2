# guarantee: a subclass of a number cannot bring its own equality or arithmetic
# expect: failed
class Agreeable(int):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0

    __rsub__ = __sub__
    __hash__ = int.__hash__


def add(a, b):
    return Agreeable(0)
