# guarantee: an object that ends the process when it is shown ends no run
# expect: failed error
import os


class Leaving:
    def __str__(self):
        os._exit(0)

    __repr__ = __str__


def add(a, b):
    raise ValueError(Leaving())
