# guarantee: what a sample changes in modules is gone for the next one
# expect: failed twice
import builtins
import math
import sys

BREACH = getattr(math, "poisoned", False) or hasattr(builtins, "poisoned") or "poisoned" in sys.modules
math.poisoned = builtins.poisoned = True
sys.modules["poisoned"] = math


def add(a, b):
    return a + b if BREACH else None
