# guarantee: the sample cannot replace the test function
# expect: failed
def check(candidate):
    pass


def add(a, b):
    return None
