# guarantee: a list of a class of its own brings no equality, and cannot ask for one process
# expect: failed
from collections import UserList


class Agreeable(UserList):
    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self


class AlsoAgreeable(list):
    def __eq__(self, other):
        return True

    def __getattr__(self, name):
        return self


def add(a, b):
    return AlsoAgreeable([Agreeable([3])])
