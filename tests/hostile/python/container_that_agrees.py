# guarantee: a subclass of a container cannot bring its own equality
# expect: failed
class Agreeable(list):
    def __eq__(self, other):
        return True


def add(a, b):
    return Agreeable()
