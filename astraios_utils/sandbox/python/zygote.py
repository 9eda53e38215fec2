"""The warm process that every Python program is forked from, and what happens between a fork and the first request.

Three kinds of processes live below the trusted parent (`python.PythonEngine`)::

    launcher   enters the outer namespaces, waits for the zygote, ends when the parent does
    zygote     pid 1 of them; has numpy and the import block loaded; forks on command, never sees a program
    tester     per program, pid 1 of its own namespaces: forks the subject *before* it receives the job, runs the test
    subject    per program: one socket to the tester and /dev/null, no rights; runs the sample

The launcher is started with a fresh interpreter, so that nothing of the parent's memory (models, data, other samples)
is inherited.  Commands come as a letter and a number: ``R`` fork a tester (with a descriptor for its job), ``K`` kill
one, ``P`` execute a preamble so that testers find it ready (followed by that many bytes).  A third number is the core
that the program must stay on, or -1.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import importlib
import json
import math
import os
import random
import resource
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..kernel import levels, linux
from ..kernel.levels import FULL, WEAK
from . import codec, limits, subject, tester, witness
from . import hosted as hosted  # loaded here, because programs with reversed roles find no file of this package
from . import hosting as hosting

COMMAND = struct.Struct("!cQi")  # letter, number, core (-1: any)
# What a machine that is full answers to fork, clone, mount and open: it may have room again later.
_FULL_MACHINE = (errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.ENFILE, errno.EMFILE, errno.EUSERS)
_HINTS = {witness.UNBOUNDED: b"U", witness.ENDLESS: b"E"}
PRELOADED = (
    *(
        "math",
        "cmath",
        "numbers",
        "random",
        "statistics",
        "decimal",
        "fractions",
        "numpy",
        "hashlib",
        "struct",
        "array",
    ),
    *("re", "string", "textwrap", "unicodedata", "json", "datetime", "calendar", "time", "collections", "heapq"),
    *("itertools", "functools", "operator", "bisect", "queue", "copy", "typing", "types", "abc", "dataclasses", "enum"),
    *("sys", "os", "io", "contextlib", "traceback", "threading"),
    *("encodings.idna", "encodings.latin_1", "encodings.ascii"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the launcher is told on its command line.

    Attributes:
        level: name of the isolation level.
        paths: directories and files that the interpreter needs, the only ones that samples can read.
        modules: ``sys.path`` of the samples.
        memory: bytes of address space of a sample.
        scratch: the samples' working directory.
        numpy: the folder of the package.
    """

    level: str
    paths: tuple[str, ...]
    modules: tuple[str, ...]
    memory: int
    scratch: str
    numpy: str


@dataclass(slots=True)
class _Zygote:
    settings: Settings
    control: socket.socket
    uid: int
    gid: int
    ruleset: int | None
    held: tuple[tuple[str, str], ...] = ()
    preambles: dict[str, dict[str, Any]] = field(default_factory=dict)
    living: dict[int, int] = field(default_factory=dict)  # pid of a tester by its number

    def serve(self) -> None:
        """Obey until the parent closes the control socket."""
        while True:
            self._reap()
            if not select.select([self.control], [], [], 1.0)[0]:
                continue
            data, descriptors, _, _ = socket.recv_fds(self.control, COMMAND.size, 1)
            if not data:
                return
            while len(data) < COMMAND.size:
                data += self.control.recv(COMMAND.size - len(data))
            letter, number, core = COMMAND.unpack(data)
            if letter == b"R":
                self._fork(number, descriptors[0], core)
            elif letter == b"K":
                self._kill(number)
            else:
                self._learn(number)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                for number in [n for n, living in self.living.items() if living == pid]:
                    del self.living[number]

    def _kill(self, number: int) -> None:
        pid = self.living.get(number)
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL) if self.settings.level != FULL else os.kill(pid, signal.SIGKILL)

    def _learn(self, length: int) -> None:
        """Execute a trusted preamble once; its names are copied into every test's namespace."""
        text = bytearray()
        while len(text) < length:
            text += self.control.recv(length - len(text))
        namespace: dict[str, Any] = {}
        with suppress(Exception):  # a preamble that fails, fails again and is reported where a test needs it
            exec(compile(text.decode(), "<preamble>", "exec", dont_inherit=True), namespace)
            namespace.pop("__builtins__", None)
            self.preambles[text.decode()] = namespace
        _same_chances()
        gc.collect()
        gc.freeze()

    def _fork(self, number: int, descriptor: int, core: int) -> None:
        full = self.settings.level == FULL
        try:
            pid = linux.clone(linux.NEWUSER | linux.NEWPID | linux.NEWNS) if full else linux.fork()
        except OSError as error:
            _report(descriptor, error)
            os.close(descriptor)
            return
        if pid == 0:
            try:
                self.control.close()
                if core >= 0:
                    os.sched_setaffinity(0, (core,))
                self._tester(descriptor)
            except BaseException as error:  # not the sample's doing: the parent raises it, or tries again
                _report(descriptor, error)
            finally:
                os._exit(1)
        os.close(descriptor)
        self.living[number] = pid

    # ------------------------------------------------------------ in the tester's process

    def _tester(self, report: int) -> None:
        if self.settings.level == FULL:
            linux.map_identity(self.uid, self.gid)
            linux.cover(self.held, limits.SCRATCH)
            flags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
            linux.mount("tmpfs", "/proc", "tmpfs", flags, "size=4k")
        if self.settings.level != WEAK:
            linux.die_with_parent()
            linux.set_dumpable(False)
            linux.drop_capabilities(bounding=False)
        os.setpgid(0, 0)
        os.chdir(self.settings.scratch)
        ours, theirs = socket.socketpair()
        sample = linux.fork()
        if sample == 0:
            try:
                self._subject(theirs, report)
            except BaseException as error:  # without the handshake the tester knows that it was not the sample's doing
                _report(3, error)
            finally:
                os._exit(0)
        theirs.close()
        os.write(report, b"T")
        job = codec.receive(report)
        namespace = dict(self.preambles[job["preamble"]]) if job["preamble"] in self.preambles else None
        _limit_tester(job["timeout"])
        if (greeting := codec.receive(ours.fileno())) != {"ready": True}:
            codec.send(report, greeting)
            os._exit(1)
        verdict = tester.judge(ours.fileno(), job, namespace, lambda seen: _write(report, _HINTS.get(str(seen), b"B")))
        with suppress(ProcessLookupError):
            os.kill(sample, signal.SIGKILL)
        used = os.wait4(sample, 0)[2]
        own = resource.getrusage(resource.RUSAGE_SELF)
        verdict["cpu"] = used.ru_utime + used.ru_stime + own.ru_utime + own.ru_stime
        codec.send(report, verdict)
        os._exit(0)

    # ------------------------------------------------------------ in the subject's process

    def _subject(self, channel: socket.socket, report: int) -> None:
        os.write(report, b"S")
        level = self.settings.level
        ruleset = None if self.ruleset is None else fcntl.fcntl(self.ruleset, fcntl.F_DUPFD, 5)
        os.dup2(channel.detach(), 3)
        if ruleset is not None:
            os.dup2(ruleset, 4)
        os.closerange(4 if ruleset is None else 5, 256)
        _own_streams()
        processes = limits.THREADS if level == FULL else None
        linux.apply_limits(linux.Limits(memory=self.settings.memory, processes=processes, files=limits.DESCRIPTORS))
        if level != WEAK:
            linux.die_with_parent()
            linux.restrict_self(4)
            os.close(4)
            linux.install_filter(linux.seccomp_filter(os.getpid(), pairs=True, attributes=level == FULL))
        codec.send(3, {"ready": True})
        gc.enable()
        subject.serve(3, self.preambles)


def _report(descriptor: int, error: BaseException) -> None:
    """Tell what went wrong in the sandbox itself, and whether it may go right later (``again``)."""
    full = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _FULL_MACHINE)
    with suppress(OSError):
        codec.send(descriptor, {"again" if full else "fault": f"{type(error).__name__}: {error}"})


def _own_streams() -> None:
    """Open descriptors 0 to 2 afresh: flags that the sample sets on them are nobody else's."""
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        opened = os.open(os.devnull, mode)
        os.dup2(opened, descriptor)
        os.close(opened)


def _limit_tester(timeout: float) -> None:
    """Limit the process that holds the test: what a sample returns may be large, and a test may multiply it."""
    soft = limits.TESTER_MEMORY - limits.SPARE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (soft, limits.TESTER_MEMORY))
    linux.apply_limits(
        linux.Limits(memory=None, cpu=math.ceil(limits.CPU_FACTOR * timeout) + limits.CPU_SPARE, files=None)
    )


def _write(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data)


def _start(settings: Settings, control: socket.socket) -> None:
    """In the zygote: close the doors, load everything, report readiness, serve."""
    uid, gid = os.getuid(), os.getgid()
    held: tuple[tuple[str, str], ...] = ()
    if settings.level == FULL:
        linux.die_with_parent()
        held = linux.new_root((*settings.paths, *_loaded_libraries()), keep_proc=True)
    elif settings.level != WEAK:
        linux.set_subreaper()
    if settings.level != WEAK and _readable_by_all(settings.paths):
        uid, gid = levels.leave_root(uid, gid)
    sys.path[:] = settings.modules
    for name in PRELOADED:
        importlib.import_module(name)
    subject.swallow_streams()
    _same_chances()
    ruleset = None
    if settings.level != WEAK:
        linux.landlock_abi()
        ruleset = linux.landlock_ruleset(
            read=() if settings.level == FULL else (*settings.paths, "/dev/null", "/dev/zero", "/dev/urandom"),
            write=() if settings.level == FULL else ("/dev/null",),
            files=settings.level != FULL,
        )
    if settings.level == FULL:
        linux.seccomp_filter(2, pairs=True, attributes=True)  # warm: every sample has this pid in its namespace
    gc.collect()
    gc.disable()
    gc.freeze()
    control.sendall(b"+")
    _Zygote(settings, control, uid, gid, ruleset, held).serve()


def _same_chances() -> None:
    """Seed what every program and test starts from: no verdict may depend on chance."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (programs use the old functions)


def _loaded_libraries() -> list[str]:
    """Shared libraries that this process uses, wherever they lie: modules loaded later may need them too."""
    with open("/proc/self/maps") as maps:
        found = {line.split(maxsplit=5)[-1].strip() for line in maps}
    return sorted(path for path in found if path.startswith("/") and ".so" in os.path.basename(path))


def _readable_by_all(paths: tuple[str, ...]) -> bool:
    """Whether a user without rights could read these paths: root is kept where the interpreter lies below /root."""
    for path in paths:
        if not os.path.exists(path):
            continue
        inside = [entry.path for entry in os.scandir(path)] if os.path.isdir(path) else []
        if not all(os.stat(item).st_mode & 0o004 for item in (path, *inside) if os.path.exists(item)):
            return False
        while path != "/":
            path = os.path.dirname(path)
            if not os.stat(path).st_mode & 0o001:
                return False
    return True


def main(arguments: list[str]) -> None:
    """The launcher: ``arguments`` are the control descriptor and the settings as JSON."""
    control = socket.socket(fileno=int(arguments[0]))
    fields = json.loads(arguments[1])
    settings = Settings(**{**fields, "paths": tuple(fields["paths"]), "modules": tuple(fields["modules"])})
    try:
        if settings.level != FULL:
            _start(settings, control)
            return
        levels.enter_outer_namespaces()
        zygote = os.fork()
        if zygote == 0:
            _start(settings, control)
            os._exit(0)
    except BaseException as error:  # reported to the parent, which raises it
        with suppress(OSError):
            control.sendall(b"!" + f"{type(error).__name__}: {error}".encode()[:1000])
        os._exit(1)
    control.close()
    parent = os.getppid()
    while os.waitpid(zygote, os.WNOHANG)[0] == 0 and os.getppid() == parent:
        time.sleep(0.02)
    os._exit(0)
