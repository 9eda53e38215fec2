"""Linux isolation primitives for both languages: namespaces, Landlock, seccomp, rlimits, by ``ctypes`` alone.

Everything here acts on the *calling process*, mostly irrevocably, and is meant for the moment between ``fork`` and the
first untrusted instruction.  The usual order for a process that will run untrusted code is::

    pid = clone(NEWUSER | NEWPID | NEWNS | NEWIPC)    # in the single-threaded parent; 0 in the child
    map_identity(uid, gid)                            # child: give the new user namespace its one uid
    cover(held, megabytes=16)                         # child: private scratch space; `held` is new_root's result
    die_with_parent()
    apply_limits(Limits(...))
    drop_capabilities()
    restrict_self(landlock_ruleset(...))              # needs no_new_privs, which it sets
    install_filter(seccomp_filter(...))               # last: it also denies the calls above

System call numbers are tabled for x86-64 and aarch64; on any other machine `supported` is false and the functions that
need a number raise `OSError`.  The module imports on every platform (macOS included) without touching the kernel.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET, NEWCGROUP = 0x10000000, 0x20000000, 0x40000000, 0x02000000
CLONE_THREAD, SIGCHLD = 0x00010000, 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
# (flag of statvfs, flag of mount) pairs that a remount inside a user namespace must keep: they are locked there
_LOCKED_FLAGS = ((2, MS_NOSUID), (4, MS_NODEV), (8, MS_NOEXEC), (1024, 1 << 10), (2048, 1 << 11), (4096, 1 << 21))

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_CAPBSET_DROP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 24, 36, 38
_LAST_CAPABILITY = 63

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of the table, audit number
_MACHINE = platform.machine()

# name:number on x86-64:number on aarch64 ("-": the machine has no such call).  Source: asm/unistd_64.h and
# asm-generic/unistd.h of Linux 6.1.  What a computation needs; none of these reaches another process.
_COMPUTE_CALLS = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70 preadv2:327:286
pwritev2:328:287 close:3:57 close_range:436:436 open:2:- openat:257:56 creat:85:- stat:4:- fstat:5:80 lstat:6:-
newfstatat:262:79 statx:332:291 access:21:- faccessat:269:48 faccessat2:439:439 lseek:8:62 mmap:9:222 mremap:25:216
munmap:11:215 mprotect:10:226 madvise:28:233 brk:12:214 mincore:27:232 msync:26:227 membarrier:324:283 rseq:334:293
get_mempolicy:239:236 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136
rt_sigsuspend:130:133 rt_sigtimedwait:128:137 sigaltstack:131:132 restart_syscall:219:128 pause:34:- alarm:37:-
getitimer:36:102 setitimer:38:103 timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_delete:226:111
timer_getoverrun:225:109 getpid:39:172 gettid:186:178 getppid:110:173 getuid:102:174 geteuid:107:175 getgid:104:176
getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158 getpgrp:111:- getpgid:121:155 getsid:124:156
getrlimit:97:163 getrusage:98:165 times:100:153 sysinfo:99:179 uname:63:160 getcpu:309:168 getpriority:140:141
sched_yield:24:124 sched_getaffinity:204:123 sched_getscheduler:145:120 sched_getparam:143:121
sched_get_priority_max:146:125 sched_get_priority_min:147:126 clock_gettime:228:113 clock_getres:229:114
clock_nanosleep:230:115 nanosleep:35:101 gettimeofday:96:169 time:201:- getrandom:318:278 futex:202:98
set_robust_list:273:99 get_robust_list:274:100 set_tid_address:218:96 arch_prctl:158:- exit:60:93 exit_group:231:94
wait4:61:260 waitid:247:95 dup:32:23 dup2:33:- dup3:292:24 pipe:22:- pipe2:293:59 poll:7:- ppoll:271:73
select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22
eventfd2:290:19 fsync:74:82 fdatasync:75:83 ftruncate:77:46 truncate:76:45 fallocate:285:47
fadvise64:221:223 getcwd:79:17 chdir:80:49 fchdir:81:50 getdents:78:- getdents64:217:61 readlink:89:- readlinkat:267:78
mkdir:83:-
mkdirat:258:34 rmdir:84:- unlink:87:- unlinkat:263:35 rename:82:- renameat:264:38 renameat2:316:276 symlink:88:-
symlinkat:266:36 link:86:- linkat:265:37 chmod:90:- fchmod:91:52 fchmodat:268:53 utimensat:280:88 utime:132:-
utimes:235:- umask:95:166 statfs:137:43 fstatfs:138:44 sendfile:40:71 copy_file_range:326:285
"""
# Allowed only under a condition on an argument, or only on request (`extra`): see `seccomp_filter`.
_GUARDED_CALLS = """
kill:62:129 tgkill:234:131 prctl:157:167 ioctl:16:29 fcntl:72:25 prlimit64:302:261 clone:56:220 clone3:435:435
execve:59:221 execveat:322:281 fork:57:- vfork:58:- socket:41:198 socketpair:53:199 connect:42:203 bind:49:200
listen:50:201 accept:43:202 accept4:288:242 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 shutdown:48:210
flock:73:32 getsockname:51:204 getpeername:52:205 setsockopt:54:208 getsockopt:55:209
openat2:437:437 sched_setaffinity:203:122 seccomp:317:277
landlock_create_ruleset:444:444 landlock_add_rule:445:445 landlock_restrict_self:446:446 pivot_root:155:41
"""


def _table(text: str) -> dict[str, int]:
    """The numbers of this machine's column; empty on an unknown machine."""
    if _MACHINE not in _ARCHITECTURES:
        return {}
    column = _ARCHITECTURES[_MACHINE][0]
    rows = (item.split(":") for item in text.split())
    return {name: int(numbers[column]) for name, *numbers in rows if numbers[column] != "-"}


_COMPUTE = _table(_COMPUTE_CALLS)
_NUMBERS = {**_COMPUTE, **_table(_GUARDED_CALLS)}

#: True where namespaces, Landlock and seccomp can be asked for at all (they may still be forbidden: see levels.py).
supported = sys.platform == "linux" and _MACHINE in _ARCHITECTURES


@cache
def _libc() -> ctypes.CDLL:
    """The C library with the GIL held during calls (``PyDLL``): these calls are short, and ``clone`` needs it held."""
    return ctypes.PyDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _syscall(name: str, *arguments: int | bytes | None) -> int:
    """One raw system call by name; integers are passed as unsigned longs, bytes as pointers."""
    if name not in _NUMBERS:
        raise OSError(errno.ENOSYS, f"{name}: no system call number for {_MACHINE}")
    converted = [ctypes.c_ulong(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    return _check(_libc().syscall(ctypes.c_long(_NUMBERS[name]), *converted), name)


def _prctl(option: int, *arguments: int) -> int:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _check(_libc().prctl(option, *(ctypes.c_ulong(a) for a in padded)), f"prctl {option}")


# ---------------------------------------------------------------- processes and namespaces


def fork() -> int:
    """``os.fork`` without what Python does after it: the child's pid, and 0 in the child.

    Python's part makes locks usable that another thread may have held, and rewrites some two hundred pages to do so;
    the caller must be single-threaded and hold no lock.
    """
    return _check(_libc().fork(), "fork")


def clone(flags: int) -> int:
    """:func:`fork` into new namespaces.

    In a new pid namespace the child is pid 1: when it dies, the kernel kills every other process of that namespace.
    """
    arguments = [flags | SIGCHLD, 0, 0, 0, 0]
    return _check(_libc().syscall(ctypes.c_long(_NUMBERS["clone"]), *(ctypes.c_ulong(a) for a in arguments)), "clone")


def unshare(flags: int) -> None:
    """Move the calling process (for `NEWPID`: its future children) into new namespaces."""
    _check(_libc().unshare(ctypes.c_int(flags)), "unshare")


def map_identity(uid: int, gid: int) -> None:
    """In a fresh user namespace: map this one uid and gid to themselves (both as seen by the parent namespace)."""
    for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def become(uid: int, gid: int) -> None:
    """Root only: take another uid and gid for good, without supplementary groups."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    set_dumpable(True)  # a change of uid makes /proc/self root's, and map_identity would fail in children


def die_with_parent() -> None:
    """Have the kernel SIGKILL this process when its parent dies.  Call it right after fork, then check the parent."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def set_subreaper() -> None:
    """Have orphaned descendants handed to this process instead of to init, so that it can reap them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(value: bool) -> None:
    """False: other processes of the same uid can neither trace this one nor read its memory or /proc entries."""
    _prctl(_PR_SET_DUMPABLE, int(value))


def drop_capabilities(bounding: bool = True) -> None:
    """Empty every capability set.

    Without `bounding` the bounding set stays: it matters only to a process that may execute files or make user
    namespaces, and emptying it takes a system call per capability.
    """
    for capability in range(_LAST_CAPABILITY + 1 if bounding else 0):
        if _libc().prctl(_PR_CAPBSET_DROP, *(ctypes.c_ulong(a) for a in (capability, 0, 0, 0))) < 0:
            break  # past the last capability, or already without CAP_SETPCAP: then the sets below decide
    header = struct.pack("=Ii", 0x20080522, 0)
    _check(_libc().capset(ctypes.c_char_p(header), ctypes.c_char_p(bytes(24))), "capset")


def cpu_seconds(pid: int) -> float:
    """CPU time of a live process of this (or a descendant) pid namespace, all threads, in seconds; NaN when gone.

    Uses the kernel's per-process clock, which needs neither /proc nor a permission.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return float("nan")


# ---------------------------------------------------------------- file system


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """``mount(2)``."""
    raw = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc().mount(raw[0], raw[1], raw[2], ctypes.c_ulong(flags), raw[3])
    _check(result, f"mount {target}")


def mount_tmpfs(target: str, megabytes: int, inodes: int = 1024) -> None:
    """A private, size-limited tmpfs; it vanishes with the last process of the mount namespace."""
    options = f"size={megabytes}m,nr_inodes={inodes},mode=700"
    mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)


PRIVATE = ("/tmp", "/dev/shm")  # where programs find a file system of their own


def new_root(paths: Iterable[str], keep_proc: bool) -> tuple[tuple[str, str], ...]:
    """Replace the root directory, in a new mount namespace, by a read-only tmpfs with `paths` bound read-only.

    Adds /dev/{null,zero,random,urandom} (bound read-only, so that nobody changes their times), an empty /tmp and
    /proc, and /dev/shm as a link to /tmp; with `keep_proc` a fresh procfs of the calling process's pid namespace is
    mounted there (the caller must be inside that pid namespace).  Leaves no trace on disk: the tree is built on a tmpfs
    over /tmp that only this mount namespace sees.

    Returns:
        ``(source, target)`` for each path below one of `PRIVATE`: a mount there hides it, and `cover` shows it again.
    """
    os.umask(0o022)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = "/tmp"
    # Bind sources may themselves lie under /tmp, so the sources are opened before /tmp is covered.
    kept = {path: os.open(path, os.O_PATH | os.O_NOFOLLOW) for path in _outermost(paths) if os.path.lexists(path)}
    devices = {path: os.open(path, os.O_PATH) for path in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")}
    links = {path: os.readlink(path) for path in kept if os.path.islink(path)}
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
    hidden = [path for path in kept if path.startswith(tuple(f"{place}/" for place in PRIVATE))]
    held = tuple((f"/held/{number}", path) for number, path in enumerate(hidden))
    for place, path in (*((path, path) for path in kept), *held):
        _show(kept[path], root + place, links.get(path))
    for path, descriptor in devices.items():
        _bind_descriptor(descriptor, root + path, read_only=True)
    for descriptor in (*kept.values(), *devices.values()):
        os.close(descriptor)
    for name in ("/tmp", "/proc", "/old"):
        os.makedirs(root + name, exist_ok=True)
    if not os.path.exists(f"{root}/dev/shm"):
        os.symlink("/tmp", f"{root}/dev/shm")
    _enter_root(root, keep_proc)
    return held


def _show(descriptor: int, target: str, link: str | None) -> None:
    """Bind what a descriptor names at `target`, read-only; a symbolic link is made again."""
    if link is None:
        _bind_descriptor(descriptor, target, read_only=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(link, target)


def _enter_root(root: str, keep_proc: bool) -> None:
    if keep_proc:
        mount("proc", root + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.chdir(root)
    _syscall("pivot_root", b".", b"old")
    os.chdir("/")
    _check(_libc().umount2(b"/old", _MNT_DETACH), "umount /old")
    os.rmdir("/old")
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def cover(held: Iterable[tuple[str, str]], megabytes: int) -> None:
    """Mount a private tmpfs on each of `PRIVATE`, and show again what lies there (see `new_root`)."""
    mount_tmpfs("/tmp", megabytes)
    if any(target.startswith("/dev/shm/") for _, target in held):
        mount_tmpfs("/dev/shm", megabytes)
    for source, target in held:
        if os.path.islink(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.readlink(source), target)
            continue
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        mount(source, target, None, MS_BIND | MS_REC)


def _outermost(paths: Iterable[str]) -> list[str]:
    """`paths` without those that lie below another one (a bind is recursive), parents first."""
    result: list[str] = []
    for path in sorted({os.path.abspath(p) for p in paths}):
        if not any(path.startswith(f"{parent}/") and not os.path.islink(parent) for parent in result):
            result.append(path)
    return result


def _bind_descriptor(descriptor: int, target: str, read_only: bool) -> None:
    source = f"/proc/self/fd/{descriptor}"
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        present = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in _LOCKED_FLAGS if present & bit)
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | kept)


# ---------------------------------------------------------------- resource limits


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process; ``None`` leaves a limit as it is.

    Attributes:
        memory: bytes of address space.
        cpu: CPU seconds after which the kernel kills the process (a backstop; the wall limit is the parent's).
        file_size: bytes of one file.
        files: open descriptors.
        processes: processes and threads of the uid *in its user namespace*.
        stack: bytes of the main thread's stack.
    """

    memory: int | None = 2 << 30
    cpu: int | None = None
    file_size: int | None = 16 << 20
    files: int | None = 64
    processes: int | None = None
    stack: int | None = None


def apply_limits(limits: Limits) -> None:
    """Lower soft and hard limits of the calling process; no core dumps.  A limit that is already lower stays."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: limits.memory,
        resource.RLIMIT_CPU: limits.cpu,
        resource.RLIMIT_FSIZE: limits.file_size,
        resource.RLIMIT_NOFILE: limits.files,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_STACK: limits.stack,
    }
    for which, value in wanted.items():
        if value is None:
            continue
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


# ---------------------------------------------------------------- Landlock

_FS_EXECUTE, _FS_WRITE_FILE, _FS_READ_FILE, _FS_READ_DIR, _FS_TRUNCATE = 1, 2, 4, 8, 1 << 14
_FS_FILE_RIGHTS = _FS_EXECUTE | _FS_WRITE_FILE | _FS_READ_FILE | _FS_TRUNCATE | 1 << 15
_FS_MAKE_SPECIAL = 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11  # character device, socket, FIFO, block device


@cache
def landlock_abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    try:
        return _syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def landlock_ruleset(read: Iterable[str] = (), write: Iterable[str] = (), files: bool = True) -> int:
    """A Landlock ruleset as a descriptor, to be handed to `restrict_self` in any number of processes.

    Args:
        read: directories or files that stay readable and executable, with everything below.
        write: the same with every right.
        files: False leaves file access alone (a private root already limits it) and only forbids running files and
            making devices, sockets and FIFOs.

    Whatever the kernel offers is used: TCP from ABI 4, device ioctls from 5, abstract sockets and signals to
    processes outside the domain from 6.  Missing paths are skipped.
    """
    abi = landlock_abi()
    if abi < 1:
        raise OSError(errno.ENOSYS, "landlock: not offered by this kernel")
    every = (1 << 13) - 1 | (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0) | (1 << 15 if abi >= 5 else 0)
    handled = every if files else (_FS_EXECUTE | _FS_MAKE_SPECIAL)
    attribute = struct.pack("=QQQ", handled, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _syscall("landlock_create_ruleset", attribute, len(attribute), 0)
    os.set_inheritable(ruleset, False)
    read_rights = _FS_EXECUTE | _FS_READ_FILE | _FS_READ_DIR
    for paths, rights in ((read, read_rights), (write, every)):
        for path in paths:
            _allow_path(ruleset, path, rights & handled)
    return ruleset


def _allow_path(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FS_FILE_RIGHTS
        if rights:
            _syscall("landlock_add_rule", ruleset, 1, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def restrict_self(ruleset: int) -> None:
    """Put the calling process and its future children under a Landlock ruleset; sets ``no_new_privs``."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _syscall("landlock_restrict_self", ruleset, 0)


# ---------------------------------------------------------------- seccomp

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _JEQ, _JGT, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_OFFSET_NR, _OFFSET_ARCH = 0, 4
_Instruction = tuple[int, int, int, int]

# Commands of fcntl that would let a descriptor's events signal another process, or stop another's access to a file.
_F_REFUSED = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_F_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW and their variants for open files
_AF_UNIX = 1
_FILE_ATTRIBUTES = frozenset(("chmod", "fchmod", "fchmodat", "utimensat", "utime", "utimes"))
_PAIR_CALLS = ("recvfrom", "getsockname", "getpeername", "getsockopt", "shutdown")
_IOCTLS = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)  # TCGETS, TIOCGWINSZ, FIONBIO, FIONREAD, FIONCLEX, FIOCLEX
_PRCTLS = (15, 16, 3, 0x53564D41)  # set and get the thread's name, get dumpable, name a mapping


@dataclass(frozen=True, slots=True)
class _Guard:
    """Allow a call if the low 32 bits of one argument are among `values`."""

    argument: int
    values: tuple[int, ...]


@cache
def seccomp_filter(
    own_pid: int, extra: tuple[str, ...] = (), threads: bool = True, pairs: bool = False, attributes: bool = True
) -> bytes:
    """A seccomp program that allows computing and files and denies the rest with ``EPERM``.

    An allow list: calls that are not in the tables above fail, also those that future kernels add.  Signals go to
    the process itself only; ``clone`` makes threads only (with `threads`), ``clone3`` reports ``ENOSYS`` so that the C
    library falls back to ``clone``; prctl, ioctl, fcntl and prlimit64 are limited to harmless commands.  File locks
    report success and lock nothing: the only files that a program can write are its own, and a lock on another one
    would hold up the machine.

    Args:
        own_pid: what ``getpid()`` gives in the process that will run under the filter.
        extra: names of guarded calls to allow without condition, for instance ``execve`` for a JVM launcher.
        threads: whether the process may start threads.
        pairs: whether it may make pairs of Unix sockets that are connected to each other, as ``asyncio`` does.
        attributes: whether it may change modes and times of files; without private mounts they are the machine's.
    """
    compute = {name: number for name, number in _COMPUTE.items() if attributes or name not in _FILE_ATTRIBUTES}
    opened = (*extra, *(_PAIR_CALLS if pairs else ()))
    allowed = {**compute, **{name: _NUMBERS[name] for name in opened if name in _NUMBERS}}
    guards: Mapping[str, _Guard] = {
        "kill": _Guard(0, (own_pid,)),
        "tgkill": _Guard(0, (own_pid,)),
        "prctl": _Guard(0, _PRCTLS),
        "ioctl": _Guard(1, _IOCTLS),
        "prlimit64": _Guard(0, (0,)),
    } | ({"socketpair": _Guard(0, (_AF_UNIX,))} if pairs else {})
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JEQ, 1, 0, _ARCHITECTURES[_MACHINE][1]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NR),
    ]
    for name, guard in guards.items():
        if name not in allowed:
            program += _guarded(_NUMBERS[name], guard)
    if "fcntl" not in allowed:
        program += _file_control(_NUMBERS["fcntl"])
    if pairs and "sendto" not in allowed:
        program += _without_address(_NUMBERS["sendto"])
    program += [(_JEQ, 0, 1, _NUMBERS["flock"]), (_RETURN, 0, 0, _ERRNO)]
    program += [(_JEQ, 0, 1, _NUMBERS["clone3"]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    if threads and "clone" not in allowed:
        program += _thread_only(_NUMBERS["clone"])
    program += _ranges(sorted(allowed.values()))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _argument_offset(index: int) -> int:
    return 16 + 8 * index  # little endian: the low half comes first


def _guarded(number: int, guard: _Guard) -> list[_Instruction]:
    body: list[_Instruction] = [(_LOAD, 0, 0, _argument_offset(guard.argument))]
    for value in guard.values:
        body += [(_JEQ, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    body.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return [(_JEQ, 0, len(body), number), *body]


def _file_control(number: int) -> list[_Instruction]:
    body: list[_Instruction] = [(_LOAD, 0, 0, _argument_offset(1))]
    for value in _F_REFUSED:
        body += [(_JEQ, 0, 1, value), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    for value in _F_LOCKS:
        body += [(_JEQ, 0, 1, value), (_RETURN, 0, 0, _ERRNO)]
    body.append((_RETURN, 0, 0, _ALLOW))
    return [(_JEQ, 0, len(body), number), *body]


def _without_address(number: int) -> list[_Instruction]:
    """``sendto`` on a connected socket: with an address it could reach another one."""
    body: list[_Instruction] = [
        (_LOAD, 0, 0, _argument_offset(4)),
        (_JEQ, 0, 3, 0),
        (_LOAD, 0, 0, _argument_offset(4) + 4),
        (_JEQ, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return [(_JEQ, 0, len(body), number), *body]


def _thread_only(number: int) -> list[_Instruction]:
    namespaces = NEWNS | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET | NEWCGROUP
    body: list[_Instruction] = [
        (_LOAD, 0, 0, _argument_offset(0)),
        (_JSET, 0, 2, CLONE_THREAD),
        (_JSET, 1, 0, namespaces),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    return [(_JEQ, 0, len(body), number), *body]


def _ranges(numbers: list[int]) -> list[_Instruction]:
    """Allow these numbers, deny the others: consecutive ones share a pair of comparisons, in ascending order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        elif not runs or number > runs[-1][1]:
            runs.append([number, number])
    deny, allow = (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    program: list[_Instruction] = []
    for first, last in runs:
        program += [(_JGE, 1, 0, first), deny, (_JGT, 1, 0, last), allow]
    return [*program, deny]


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install_filter(program: bytes) -> None:
    """Put the calling thread and its future children under a seccomp program; sets ``no_new_privs``."""
    buffer = ctypes.create_string_buffer(program, len(program))
    wrapped = _FilterProgram(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    arguments = (ctypes.c_ulong(2), ctypes.byref(wrapped), ctypes.c_ulong(0), ctypes.c_ulong(0))
    _check(_libc().prctl(_PR_SET_SECCOMP, *arguments), "seccomp")


# ---------------------------------------------------------------- probing


def attempt(action: Callable[[], None]) -> str | None:
    """Run `action` in a throw-away child; ``None`` if it works there, else the error's text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action()
            answer = b"."
        except BaseException as error:  # the child only reports; nothing may escape from it
            answer = b"!" + (str(error) or type(error).__name__).encode(errors="replace")[:300]
        try:
            os.write(writer, answer)  # a pipe, because the filters that get probed forbid sending
        finally:
            os._exit(0)
    os.close(writer)
    answer = os.read(reader, 400)
    os.close(reader)
    os.waitpid(pid, 0)
    if not answer:
        return "the probing process died"
    return None if answer == b"." else answer[1:].decode(errors="replace")
