# guarantee: standard input gives nothing
# expect: error
def add(a, b):
    return int(input())
