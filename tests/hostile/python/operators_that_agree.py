# guarantee: an object that answers every operator is still equal to itself alone
# expect: failed
class Agreeable:
    def __eq__(self, other):
        return True

    def __int__(self):
        return 3

    def __float__(self):
        return 3.0

    def __abs__(self):
        return self

    def __sub__(self, other):
        return 0

    __index__ = __round__ = __int__
    __rsub__ = __sub__
    __neg__ = __pos__ = __invert__ = __abs__
    __hash__ = None


def add(a, b):
    return Agreeable()
