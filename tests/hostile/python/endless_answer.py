# guarantee: an endless iterator is no list
# expect: failed
def add(a, b):
    while True:
        yield a + b
