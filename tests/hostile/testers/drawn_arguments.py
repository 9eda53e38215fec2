"""Draws its arguments from the system: no two runs ask the same."""  # verdict: error 0
import os

assert positives(list(os.urandom(16))) >= 0
