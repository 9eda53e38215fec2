# guarantee: the factory of a dictionary is the sample's, or a function that computes
# expect: error
import os


def add(a, b):
    body = b'{"v":{"D":[{"y":"exec"},[]]}}'
    os.write(3, len(body).to_bytes(4, "big") + body)
