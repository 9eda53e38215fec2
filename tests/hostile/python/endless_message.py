# guarantee: an exception whose text never ends runs into the limit
# expect: timeout
class Endless(Exception):
    def __str__(self):
        while True:
            pass


def add(a, b):
    raise Endless
