"""Asks with the clock: no two runs ask the same."""  # verdict: error 0
import time

assert positives([time.time_ns()]) > 0
