"""Expects what the function does not return."""  # verdict: failed 0
assert positives([1, -2, 3]) == 2
