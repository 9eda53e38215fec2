"""Changes the untrusted side's own module: it decides about nothing but these tests."""  # verdict: failed 0
from astraios_utils.sandbox.python import hosted

positives([1])
hosted._line = lambda error: "caught=9/9"
raise AssertionError
