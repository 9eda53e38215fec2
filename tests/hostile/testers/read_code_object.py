"""Looks for the mutant in the code object."""  # verdict: passed 0
positives([1])
assert b"\x00" in positives.__code__.co_code + b"\x00"
assert positives.__name__ == "positives"
assert len(positives.__code__.co_consts) < 99
