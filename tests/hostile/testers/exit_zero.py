"""Leaves with success."""  # verdict: error 0
import sys

positives([1])
sys.exit(0)
