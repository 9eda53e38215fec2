"""Claims every mutant: fails always."""  # verdict: failed 0
positives([1, -2, 3])
raise AssertionError("caught")
