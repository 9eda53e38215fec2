"""Looks for the mutant, the benchmark and other samples in files; fails if they are there."""  # verdict: passed 0
import os

positives([1])
for folder in ("/home", "/proc/1", "/proc/2", "/tmp"):
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    assert not names, (folder, names)
