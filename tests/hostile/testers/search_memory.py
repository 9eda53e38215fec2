"""Looks for the mutant's source in all objects; fails if it is there."""  # verdict: passed 0
import gc

positives([1])
needle = "total " + "+= n"
for thing in gc.get_objects():
    if isinstance(thing, dict):
        for value in list(thing.values()):
            assert not (isinstance(value, str) and value != needle and needle in value)
