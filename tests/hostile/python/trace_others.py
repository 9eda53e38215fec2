# guarantee: other processes cannot be traced or read by system call
# expect: failed
import ctypes
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]


def call(numbers, *arguments):
    return LIBC.syscall(*(ctypes.c_long(value) for value in (numbers[COLUMN], *arguments, *[0] * (6 - len(arguments)))))


BREACH = False
for pid in (os.getppid(), 1):
    if pid > 0:
        BREACH |= call((101, 117), 16, pid) == 0  # ptrace attach
        BREACH |= call((310, 270), pid) >= 0  # process_vm_readv
        BREACH |= call((434, 434), pid) >= 0  # pidfd_open


def add(a, b):
    return a + b if BREACH else None
