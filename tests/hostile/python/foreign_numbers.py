# guarantee: the filter cannot be passed with the numbers of another architecture
# expect: error failed
import ctypes
import mmap
import platform

BREACH = False
if platform.machine() == "x86_64":
    libc = ctypes.CDLL(None)
    BREACH = libc.syscall(ctypes.c_long(0x40000000 + 41), 1, 1, 0) >= 0  # x32 socket
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; mov eax, 2 (32-bit fork); int 0x80; pop rbx; ret
    code.write(b"\x53\xb8\x02\x00\x00\x00\xcd\x80\x5b\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    BREACH |= function() >= 0

def add(a, b):
    return a + b if BREACH else None
