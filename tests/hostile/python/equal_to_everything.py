# guarantee: an object that claims to be equal to everything is not
# expect: failed
class Anything:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def add(a, b):
    return Anything()
