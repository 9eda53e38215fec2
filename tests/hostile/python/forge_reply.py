# guarantee: a made-up reply is no verdict: what is compared is still the answer
# expect: error failed
import os

body = b'{"v":null}'
for _ in range(50):
    os.write(3, len(body).to_bytes(4, "big") + body)


def add(a, b):
    return None
