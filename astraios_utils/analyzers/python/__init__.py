"""Python: a taint analysis over ``ast``, and the checkers that use it. Nothing is imported or run."""
