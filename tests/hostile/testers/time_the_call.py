"""Claims slow mutants by the clock."""  # verdict: passed 0
import time

start = time.perf_counter()
positives([1])
assert time.perf_counter() - start < 4.9
