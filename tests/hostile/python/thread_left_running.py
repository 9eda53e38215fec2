# guarantee: a thread that runs on dies with the program
# expect: failed
import threading


def spin():
    while True:
        pass


threading.Thread(target=spin).start()


def add(a, b):
    return None
