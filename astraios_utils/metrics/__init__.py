"""Scores and their uncertainty: metric definitions, statistics, text similarity, and `evaluate` modules of the same."""
