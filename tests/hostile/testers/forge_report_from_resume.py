"""Lets the trusted side's own request raise what looks like a report."""  # verdict: error 0
import gc

positives([1])


class Report(Exception):
    pass


def forged(*_):
    raise Report('{"e": "passed", "c": 9, "d": 1, "h": "0", "l": 9, "b": 9, "w": ""}')


for thing in gc.get_objects():
    if type(thing).__name__ == "Subject":
        thing.exchange = forged
        thing.answer = forged
        thing._objects[:] = [forged] * len(thing._objects)
positives([2])
raise AssertionError
