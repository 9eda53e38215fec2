# guarantee: a reply names functions and types of the standard library that compute, and none that act
# expect: error
import os


def add(a, b):
    body = b'{"v":{"y":"eval"}}'
    os.write(3, len(body).to_bytes(4, "big") + body)
