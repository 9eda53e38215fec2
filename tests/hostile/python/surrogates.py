# guarantee: every text that crosses is printable
# expect: error
def add(a, b):
    raise ValueError("\ud800\x1b[31m\u202e")
