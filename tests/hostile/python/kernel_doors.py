# guarantee: system calls that open doors are denied
# expect: failed
import ctypes
import os
import platform

LIBC = ctypes.CDLL(None, use_errno=True)
COLUMN = {"x86_64": 0, "aarch64": 1}[platform.machine()]


def call(numbers, *arguments):
    return LIBC.syscall(*(ctypes.c_long(value) for value in (numbers[COLUMN], *arguments, *[0] * (6 - len(arguments)))))


DOORS = {
    "mount": (165, 40), "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "io_uring": (425, 425), "memfd": (319, 279), "socket": (41, 198),
    "open_by_handle": (304, 265), "pivot_root": (155, 41), "fsopen": (430, 430), "init_module": (175, 105),
}
BREACH = any(call(numbers) >= 0 or ctypes.get_errno() not in (1, 38) for numbers in DOORS.values())


def add(a, b):
    return a + b if BREACH else None
