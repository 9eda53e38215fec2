"""Trivial: calls the function and asserts nothing."""  # verdict: passed 0
positives([1, -2, 3])
