"""The warm process that every Python program is forked from, and what happens between a fork and the first request.

Three kinds of processes live below the trusted parent (`python.PythonEngine`)::

    launcher   enters the outer namespaces, waits for the zygote, ends when the parent does
    zygote     pid 1 of them; has numpy and the import block loaded; forks on command, never sees a program
    tester     per program, pid 1 of its own namespaces: forks the subject *before* it receives the job, runs the test
    subject    per program: one socket to the tester and /dev/null, no rights; runs the sample

The launcher is started with a fresh interpreter, so that nothing of the parent's memory (models, data, other samples)
is inherited.  Commands come as a letter and a number: ``R`` fork a tester (with a descriptor for its job), ``K`` kill
one, ``P`` execute a preamble so that testers find it ready (followed by that many bytes).
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
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
from . import codec, subject, tester, witness

COMMAND = struct.Struct("!cQ")
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
    """

    level: str
    paths: tuple[str, ...]
    modules: tuple[str, ...]
    memory: int
    scratch: str


@dataclass(slots=True)
class _Zygote:
    settings: Settings
    control: socket.socket
    uid: int
    gid: int
    ruleset: int | None
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
            letter, number = COMMAND.unpack(data)
            if letter == b"R":
                self._fork(number, descriptors[0])
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

    def _fork(self, number: int, descriptor: int) -> None:
        full = self.settings.level == FULL
        pid = linux.clone(linux.NEWUSER | linux.NEWPID | linux.NEWNS) if full else linux.fork()
        if pid == 0:
            try:
                self.control.close()
                self._tester(descriptor)
            except BaseException as error:  # not the sample's doing: the parent raises it
                with suppress(OSError):
                    codec.send(descriptor, {"fault": f"{type(error).__name__}: {error}"})
            finally:
                os._exit(1)
        os.close(descriptor)
        self.living[number] = pid

    # ------------------------------------------------------------ in the tester's process

    def _tester(self, report: int) -> None:
        if self.settings.level == FULL:
            linux.map_identity(self.uid, self.gid)
            linux.mount_tmpfs("/tmp", megabytes=16)
            flags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
            linux.mount("tmpfs", "/proc", "tmpfs", flags, "size=4k")
        if self.settings.level != WEAK:
            linux.die_with_parent()
            linux.set_dumpable(False)
            linux.drop_capabilities(bounding=False)
        os.setpgid(0, 0)
        ours, theirs = socket.socketpair()
        sample = linux.fork()
        if sample == 0:
            try:
                self._subject(theirs, report)
            except BaseException as error:  # without the handshake the tester knows that it was not the sample's doing
                with suppress(OSError):
                    codec.send(3, {"fault": f"{type(error).__name__}: {error}"})
            finally:
                os._exit(0)
        theirs.close()
        os.write(report, b"T")
        job = codec.receive(report)
        namespace = dict(self.preambles[job["preamble"]]) if job["preamble"] in self.preambles else None
        if (greeting := codec.receive(ours.fileno())) != {"ready": True}:
            raise levels.SandboxError(f"the sample's process could not be confined: {greeting}")
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
        os.chdir(self.settings.scratch)
        linux.apply_limits(linux.Limits(memory=self.settings.memory, processes=64 if level == FULL else None, files=64))
        if level != WEAK:
            linux.die_with_parent()
            linux.restrict_self(4)
            os.close(4)
            linux.install_filter(linux.seccomp_filter(os.getpid()))
        codec.send(3, {"ready": True})
        subject.serve(3, self.preambles)


def _write(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data)


def _start(settings: Settings, control: socket.socket) -> None:
    """In the zygote: close the doors, load everything, report readiness, serve."""
    uid, gid = os.getuid(), os.getgid()
    if settings.level == FULL:
        linux.die_with_parent()
        linux.new_root(settings.paths, keep_proc=True)
    elif settings.level != WEAK:
        linux.set_subreaper()
    if settings.level != WEAK and (settings.level == FULL or _readable_by_all(settings.paths)):
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
        linux.seccomp_filter(2)  # warm: every sample has this pid in its namespace
    gc.collect()
    gc.disable()
    gc.freeze()
    control.sendall(b"+")
    _Zygote(settings, control, uid, gid, ruleset).serve()


def _same_chances() -> None:
    """Seed what every program and test starts from: no verdict may depend on chance."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (programs use the old functions)


def _readable_by_all(paths: tuple[str, ...]) -> bool:
    """Whether a user without rights could reach these paths: root is kept where the interpreter lies below /root."""
    for path in paths:
        while os.path.exists(path):
            if not os.stat(path).st_mode & 0o001 and os.path.isdir(path):
                return False
            if path == "/":
                break
            path = os.path.dirname(path)
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
