"""What the kernel offers for isolation: system calls through ctypes, and the isolation levels built on them."""
