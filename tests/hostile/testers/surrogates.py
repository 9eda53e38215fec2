"""Speaks in characters that no file can hold."""  # verdict: failed 0
positives([1])
raise AssertionError("\ud800\x1b[31m caught=9/9 \u202e")
