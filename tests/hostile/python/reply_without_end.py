# guarantee: an endless message is not read into memory for ever
# expect: error
import os

os.write(3, (1 << 31).to_bytes(4, "big") + b"[" * 100_000)
os._exit(0)
