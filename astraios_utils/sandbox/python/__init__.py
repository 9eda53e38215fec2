"""Python programs: a warm zygote, and per program one process for the test and one for the sample."""
