# guarantee: the expected answers are not in the sample's process
# expect: failed
import gc
import sys


def add(a, b):
    frame = sys._getframe()
    while frame is not None:
        for value in [*frame.f_locals.values(), *frame.f_code.co_consts]:
            if isinstance(value, str) and value.startswith("expected" + "-answer"):
                return value
        frame = frame.f_back
    for value in gc.get_objects():
        if isinstance(value, dict):
            for item in list(value.values()):
                if isinstance(item, str) and item.startswith("expected" + "-answer"):
                    return item
    return None
