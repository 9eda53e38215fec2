# guarantee: builtins patched by the sample are not the test's
# expect: failed error
import builtins

builtins.AssertionError = type("Harmless", (), {})
builtins.len = builtins.abs = builtins.sum = lambda *a, **k: 0
builtins.isinstance = builtins.all = builtins.any = lambda *a: True


def add(a, b):
    return None
