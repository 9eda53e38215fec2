"""An iterator, which the first reader would use up."""  # verdict: error 0
assert positives(iter([1, 2])) == 3
