"""Writes a reply of its own on the channel."""  # verdict: error 0
import os

positives([1])
os.write(3, b"\x00\x00\x00\x0c{\"v\": [1,2]}")
positives([2])
