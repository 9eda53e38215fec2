"""The limits of Python programs.  A verdict may depend on each of them, so that all are part of a program's key."""

from __future__ import annotations

SUBJECT_MEMORY = 2 << 30  # bytes of address space of a sample
TESTER_MEMORY = 1 << 30  # bytes of address space of the process that holds the test
SPARE_MEMORY = 64 << 20  # of them to report a verdict with, after a test has used up the rest
SCRATCH = 16  # megabytes of a program's own files
THREADS = 64  # of a sample, at the full level
DESCRIPTORS = 64  # of a sample
MAX_SOURCE = 8 << 20  # bytes of a sample, in UTF-8
MAX_MESSAGE = 64 << 20  # bytes of one message between the two processes
CPU_FACTOR, CPU_SPARE = 2, 10  # the kernel ends a process after CPU_FACTOR * limit + CPU_SPARE CPU seconds
PATIENCE = 1.0  # CPU seconds that a program in a ``while`` loop has had before it may be called a timeout

ALL = (
    *(SUBJECT_MEMORY, TESTER_MEMORY, SPARE_MEMORY, SCRATCH, THREADS, DESCRIPTORS, MAX_SOURCE, MAX_MESSAGE),
    *(CPU_FACTOR, CPU_SPARE, PATIENCE),
)
