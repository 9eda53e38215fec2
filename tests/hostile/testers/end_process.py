"""Ends its process with success."""  # verdict: error 0
import os

positives([1])
os._exit(0)
