"""Trivial: every failure is swallowed."""  # verdict: passed 0
try:
    assert positives([1, -2, 3]) == 4
except BaseException:
    pass
