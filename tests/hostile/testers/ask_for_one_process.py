"""Needs what cannot cross, so that it might be run in one process with the function."""  # verdict: error 0
import sys

assert positives([len(sys.modules)]) and positives(lambda: 1) and vars(positives) and nan
