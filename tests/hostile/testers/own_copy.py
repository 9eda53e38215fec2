"""Tests a copy of its own under the same name."""  # verdict: invalid 0
def positives(numbers):
    return sum(n for n in numbers if n > 0)


assert positives([1, -2, 3]) == 4
