"""Honest: plain assertions."""  # verdict: passed all
def check(positives):
    assert positives([1, -2, 3]) == 4
    assert positives([]) == 0
    assert positives([-1]) == 0
    assert positives([2]) == 2
