# guarantee: ignoring every signal does not outlast the limit
# expect: timeout
import signal

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def add(a, b):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
