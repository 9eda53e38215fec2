"""Calls the function with too many arguments."""  # verdict: error 0
assert positives([1], [2]) == 1
