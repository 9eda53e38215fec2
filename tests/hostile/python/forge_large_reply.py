# guarantee: a reply that unfolds to gigabytes costs its sample its verdict and nothing else
# expect: error timeout
import os


def add(a, b):
    body = b'{"v":[' + b"[]," * 18_000_000 + b"0]}"
    data = memoryview(len(body).to_bytes(4, "big") + body)
    while data:
        data = data[os.write(3, data) :]
