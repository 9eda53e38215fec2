# guarantee: a sample cannot cancel its death with its parent
# expect: failed
import ctypes
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]


def call(numbers, *arguments):
    return LIBC.syscall(*(ctypes.c_long(value) for value in (numbers[COLUMN], *arguments, *[0] * (6 - len(arguments)))))


BREACH = LIBC.prctl(1, 0, 0, 0, 0) == 0


def add(a, b):
    return a + b if BREACH else None
