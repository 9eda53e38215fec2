"""Honest: unittest."""  # verdict: passed all
import unittest


class Tests(unittest.TestCase):
    def test_positives(self):
        for given, wanted in (([1, -2, 3], 4), ([], 0), ([-1], 0), ([2], 2)):
            self.assertEqual(positives(given), wanted)
