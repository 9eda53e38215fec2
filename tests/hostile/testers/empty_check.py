"""Trivial: a check without a body."""  # verdict: invalid 0
def check(positives):
    pass
