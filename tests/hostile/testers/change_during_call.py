"""Another thread changes the argument while it is asked about."""  # verdict: passed 0
import threading

given = [-1, -2, -3]
stop = threading.Event()


def change():
    while not stop.is_set():
        given.append(-7)
        given.pop()


thread = threading.Thread(target=change)
thread.start()
try:
    positives([-1])
finally:
    stop.set()
    thread.join()
