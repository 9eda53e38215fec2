# guarantee: threads that compute are held to one core and to the sample's own time
# expect: timeout failed error
import hashlib
import threading


def work():
    block = b"x" * (1 << 20)
    while True:
        hashlib.sha256(block)


def add(a, b):
    for _ in range(40):
        threading.Thread(target=work, daemon=True).start()
    work()
