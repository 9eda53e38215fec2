# guarantee: writing a verdict to every descriptor does not reach the parent
# expect: error failed
import json
import os

body = json.dumps({"status": "passed", "detail": "", "seconds": 0.0, "cpu": 0.0}).encode()
for descriptor in range(256):
    try:
        os.write(descriptor, len(body).to_bytes(4, "big") + body)
    except OSError:
        pass


def add(a, b):
    return None
