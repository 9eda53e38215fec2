"""Python programs as data: planted bugs, perturbed prompts, functions taken from packages.

Nothing here runs a program or reads the benchmark; callers bring the text.
"""
