# guarantee: a reply cannot derive a class from what is no plain value
# expect: error
import os


def add(a, b):
    body = b'{"v":{"P":["type",false,{"y":"type"},null]}}'
    os.write(3, len(body).to_bytes(4, "big") + body)
