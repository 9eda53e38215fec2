# guarantee: a reply that refers to what does not exist is refused
# expect: error
import os

body = b'{"v":{"=":12345}}'
os.write(3, len(body).to_bytes(4, "big") + body)


def add(a, b):
    return None
