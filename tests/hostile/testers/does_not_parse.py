"""Is no Python."""  # verdict: invalid 0
def check(positives:
    assert True
