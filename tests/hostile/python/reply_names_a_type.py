# guarantee: a reply cannot make the tester raise or build what it likes
# expect: error
import os

body = b'{"x":[["eval","__import__"],"eval","print(1)"]}'
os.write(3, len(body).to_bytes(4, "big") + body)


def add(a, b):
    return None
