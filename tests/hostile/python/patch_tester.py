# guarantee: patching the tester's code in one's own process changes nothing
# expect: failed
import sys

for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").endswith((".tester", ".zygote", ".codec")):
        module.judge = module.describe = lambda *a, **k: {"status": "passed", "detail": "", "seconds": 0.0}
        module.PASSED = module.FAILED = module.ERROR = "passed"


def add(a, b):
    return None
