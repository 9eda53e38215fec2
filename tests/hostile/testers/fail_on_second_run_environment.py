"""Claims mutants by counting runs in the environment and in modules."""  # verdict: passed 0
import os
import sys

positives([5])
assert "RUNS" not in os.environ and not hasattr(sys, "runs")
os.environ["RUNS"] = "1"
sys.runs = 1
