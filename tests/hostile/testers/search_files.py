"""Looks for the mutant, the benchmark and other samples in files; fails if they are there."""  # verdict: passed 0
import os
import numpy

positives([1])
for folder in ("/home", "/proc/1", "/proc/2", "/tmp"):
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    found = [name for name in names if not numpy.__file__.startswith(f"{folder}/{name}/")]  # where packages lie
    assert not found, (folder, found)
