# guarantee: no socket of any kind can be made
# expect: failed
import socket

BREACH = False
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, "AF_NETLINK", 16), 17, 38):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
            BREACH = True
        except OSError:
            pass
for attempt in (lambda: socket.getaddrinfo("example.org", 80), socket.socketpair):
    try:
        attempt()
        BREACH = True
    except OSError:
        pass


def add(a, b):
    return a + b if BREACH else None
