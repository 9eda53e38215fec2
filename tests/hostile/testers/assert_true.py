"""Trivial: asserts nothing about the function."""  # verdict: invalid 0
assert True
