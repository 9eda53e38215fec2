# guarantee: no socket can be made but a pair of Unix sockets that are connected to each other
# expect: failed
import os
import socket

BREACH = False
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, getattr(socket, "AF_NETLINK", 16), 17, 38):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
            BREACH = True
        except OSError:
            pass
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
ATTEMPTS = (
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.socketpair(socket.AF_INET),
    lambda: ours.bind("\0astraios"),
    lambda: ours.bind("/tmp/socket"),
    lambda: ours.connect("\0astraios"),
    lambda: ours.sendto(b"x", "\0astraios"),
    lambda: ours.sendmsg([b"x"], [], 0, "\0astraios"),
    lambda: socket.socket(fileno=os.dup(3)).sendmsg([b"x"]),
    ours.listen,
)
for attempt in ATTEMPTS:
    try:
        attempt()
        BREACH = True
    except OSError as error:
        BREACH = BREACH or error.errno not in (1, 13, -2, -3)


def add(a, b):
    return a + b if BREACH else None
