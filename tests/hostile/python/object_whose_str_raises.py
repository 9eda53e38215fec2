# guarantee: an object that cannot be shown ends no run
# expect: failed
class Unshowable:
    def __str__(self):
        raise ValueError("x")

    __repr__ = __str__


def add(a, b):
    return Unshowable()
