# guarantee: an answer that fills the memory of the tester is cut off
# expect: error timeout
def add(a, b):
    return "x" * (300 << 20)
