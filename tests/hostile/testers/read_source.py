"""Looks for the mutant in the source."""  # verdict: error 0
import inspect

positives([1])
assert "> 0" in inspect.getsource(positives)
