"""A small process that starts JVMs inside the sandbox and ends them.

It is a fresh interpreter (single-threaded, so that it may ``clone``) which enters the outer namespaces once and then
obeys its owner over a socket.  Every JVM it starts gets its own user, pid, mount and IPC namespaces, an empty /proc (a
process could forge its verdict by writing to its own memory through /proc/self/mem), no place to write, Landlock,
rlimits and a system call filter, and talks to the owner over a socket that is its standard input and output.  When the
owner dies, the launcher dies; when the launcher dies, every JVM does.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..kernel import levels, linux

_SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
# execve starts the JVM; without fork a program can do nothing with it.  Reading a file through NIO makes a socket pair.
_EXTRA_CALLS = ("execve", "socketpair")
_SHARED = ("/usr/share/zoneinfo", "/usr/share/locale", "/etc/localtime")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the launcher needs to know once: the level's name, what JVMs may read, and their environment."""

    level: str
    readable: tuple[str, ...]
    libraries: str


class Launcher:
    """The owner's side."""

    def __init__(self, settings: Settings) -> None:
        """Start the launcher process.

        Raises:
            SandboxError: it cannot set up the isolation of `settings.level` here.
        """
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(__file__).resolve().parents[3])
        code = f"import sys; sys.path.insert(0, {package!r}); from {__name__} import main; main()"
        arguments = [str(theirs.fileno()), str(os.getpid()), json.dumps(asdict(settings))]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code, *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={},
            )
        self._socket = mine
        answer = self._socket.recv(4096)
        if answer != b"ready":
            self.close()
            raise levels.SandboxError(f"the Java sandbox does not start: {answer.decode() or 'it died'}")

    def _ask(self, request: dict[str, Any], descriptors: tuple[int, ...] = ()) -> Any:
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
            answer = self._socket.recv(4096)
        except OSError:
            answer = b""
        if not answer:
            raise levels.SandboxError("the Java sandbox's launcher process died")
        return json.loads(answer)

    def spawn(self, command: list[str], limits: linux.Limits, channel: socket.socket) -> int:
        """Start a JVM whose standard input and output are `channel`; returns its number at the launcher."""
        request = {"do": "spawn", "command": command, "limits": asdict(limits)}
        return int(self._ask(request, (channel.fileno(),)))

    def kill(self, number: int) -> float:
        """End a JVM and everything it started; returns the CPU seconds it used."""
        return float(self._ask({"do": "kill", "number": number}))

    def close(self) -> None:
        """End the launcher and with it every JVM; may be called twice."""
        self._socket.close()
        self._process.wait()


def main() -> None:
    """The launcher process: ``DESCRIPTOR OWNER SETTINGS`` on its command line."""
    control = socket.socket(fileno=int(sys.argv[1]))
    fields = json.loads(sys.argv[3])
    settings = Settings(fields["level"], tuple(fields["readable"]), fields["libraries"])
    if sys.platform == "linux":
        linux.die_with_parent()
    if os.getppid() != int(sys.argv[2]):
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if settings.level == levels.FULL:
            _enter(settings)
        serve = _Server(control, settings).serve
        control.send(b"ready")
    except OSError as error:
        control.send(str(error).encode()[:1000])
        os._exit(1)
    serve()


def _enter(settings: Settings) -> None:
    """Move into the outer namespaces; returns in their pid 1, while the process outside waits for it."""
    uid, gid = levels.enter_outer_namespaces()
    child = os.fork()
    if child:
        os.closerange(0, 256)  # the owner must see the end of the one that serves
        os.waitpid(child, 0)
        os._exit(0)
    linux.die_with_parent()
    linux.new_root((*_SYSTEM, *_SHARED, *settings.readable), keep_proc=True)
    levels.leave_root(uid, gid)
    linux.die_with_parent()  # a change of uid cleared it


class _Server:
    def __init__(self, control: socket.socket, settings: Settings) -> None:
        self._control, self._settings = control, settings
        self._live: set[int] = set()
        self._dying: set[int] = set()  # killed, and not reaped yet
        self._ids = os.getuid(), os.getgid()  # inside a new user namespace they cannot be asked for
        self._ruleset = -1
        if settings.level != levels.WEAK:
            readable = (*_SYSTEM, *_SHARED, *settings.readable, "/dev/random", "/dev/urandom", "/dev/null")
            self._ruleset = linux.landlock_ruleset(read=readable)

    def serve(self) -> None:
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, 65536, 1)
            if not message:
                for pid in list(self._live):
                    self._kill(pid)
                self._reap(wait=True)
                os._exit(0)
            self._reap(wait=False)
            request = json.loads(message)
            answer = self._obey(request, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            self._control.send(json.dumps(answer).encode())

    def _obey(self, request: dict[str, Any], descriptors: list[int]) -> float:
        if request["do"] == "spawn":
            return self._spawn(request["command"], linux.Limits(**request["limits"]), descriptors[0])
        return self._kill(request["number"]) if request["number"] in self._live else float("nan")

    def _kill(self, pid: int) -> float:
        """Kill without waiting: a process of the lowest priority may take seconds to end on a busy machine."""
        used = linux.cpu_seconds(pid)  # of a zombie, too
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # in the full level the kernel ends the rest of its pid namespace too
        self._live.discard(pid)
        self._dying.add(pid)
        return used

    def _reap(self, wait: bool) -> None:
        for pid in list(self._dying):
            if os.waitpid(pid, 0 if wait else os.WNOHANG)[0]:
                self._dying.discard(pid)

    def _spawn(self, command: list[str], limits: linux.Limits, channel: int) -> int:
        full = self._settings.level == levels.FULL
        pid = linux.clone(linux.NEWUSER | linux.NEWPID | linux.NEWNS | linux.NEWIPC) if full else os.fork()
        if pid == 0:
            try:
                self._become_jvm(command, limits, channel)
            finally:
                os._exit(127)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # both sides do it, so that neither needs to wait for the other
        self._live.add(pid)
        return pid

    def _become_jvm(self, command: list[str], limits: linux.Limits, channel: int) -> None:
        level = self._settings.level
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        if sys.platform == "linux":
            linux.die_with_parent()
        os.write(channel, b"P")  # hello: it carries this process's pid as the owner's namespace counts
        null = os.open("/dev/null", os.O_WRONLY)
        for descriptor, source in ((0, channel), (1, channel), (2, null)):
            os.dup2(source, descriptor)
        if level == levels.FULL:
            linux.map_identity(*self._ids)
            linux.mount("tmpfs", "/proc", "tmpfs", linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV, "size=4k")
        os.chdir("/")
        linux.apply_limits(limits)
        if level != levels.WEAK:
            linux.drop_capabilities()
            linux.restrict_self(self._ruleset)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        environment = {"LD_LIBRARY_PATH": self._settings.libraries, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        if level != levels.WEAK:
            linux.install_filter(linux.seccomp_filter(os.getpid(), extra=_EXTRA_CALLS))
        os.execve(command[0], command, environment)
