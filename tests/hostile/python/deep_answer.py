# guarantee: an answer nested too deep for the decoder is an error
# expect: error
def add(a, b):
    value = []
    for _ in range(200_000):
        value = [value]
    return value
