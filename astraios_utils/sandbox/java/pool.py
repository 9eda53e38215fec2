"""The JVMs of the Java engine: the command line of each role, and the messages to and from them."""

from __future__ import annotations

import math
import select
import socket
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..kernel import linux
from ..kernel.levels import FULL, Level
from ..python import watch
from . import jdk
from .launcher import Launcher, Settings

COMPILE, TESTS, JUDGE, SHARED, OWN = "compile", "tests", "judge", "shared", "own"  # roles, see `engine`
ROLES = (COMPILE, TESTS, JUDGE, SHARED, OWN)

_COMMON = [
    *("-XX:+UseSerialGC", "-Xshare:auto", "-XX:-UsePerfData", "-XX:-UseContainerSupport"),
    *("-XX:+DisableAttachMechanism", "-XX:+DisplayVMOutputToStderr", "-XX:ErrorFile=/dev/null"),
    *("-XX:-CreateCoredumpOnCrash", "-XX:ReservedCodeCacheSize=64m", "-XX:CompressedClassSpaceSize=128m"),
    "-Dfile.encoding=UTF-8",
]
# OWN has none of the modules that reach into a JVM: jdk.unsupported (Unsafe), instrument, attach, jdi, management.
_MODULES = "java.base,java.logging,java.sql,java.desktop,java.xml,java.net.http,java.prefs,java.scripting"
# bytes of address space; far more than is ever touched
_MEMORY = {COMPILE: 4 << 30, TESTS: 4 << 30, JUDGE: 3 << 30, SHARED: 3 << 30, OWN: 3 << 30}
_MAX_MESSAGE = 64 << 20  # bytes
_CREDENTIALS = struct.Struct("3i")
_SO_PASSCRED = getattr(socket, "SO_PASSCRED", None)


@dataclass(eq=False, slots=True)
class Jvm:
    """A running JVM. Messages are a length (4 bytes, big-endian) and a body; none of the methods waits.

    Attributes:
        number: by which the launcher knows it.
        role: one of `ROLES`.
        pid: as seen from here; 0 until it has said hello, and where the platform cannot tell.
        served: how many programs it has served.
    """

    number: int
    role: str
    channel: socket.socket
    pid: int = 0
    served: int = 0
    greeted: bool = False
    incoming: bytearray = field(default_factory=bytearray)
    outgoing: bytearray = field(default_factory=bytearray)

    def cpu(self) -> float:
        """CPU seconds of its life so far: 0 before it and after it, NaN where the platform does not tell."""
        if self.greeted and not self.pid:
            return math.nan
        used = linux.cpu_seconds(self.pid) if self.pid else math.nan
        return 0.0 if math.isnan(used) else used

    def quiet(self) -> bool:
        """Whether its end of the channel is open and it has nothing to say unasked."""
        if self.incoming or not select.select([self.channel], [], [], 0)[0]:
            return not self.incoming
        try:
            return not self.greeted and self.channel.recv(2, socket.MSG_PEEK) == b"P"
        except OSError:
            return False

    def lower_priority(self) -> None:
        """Let programs that have just begun go before it."""
        if self.pid:
            watch.lower_priority(self.pid)

    def send(self, body: bytes) -> None:
        """Queue one message and send what the channel takes now."""
        self.outgoing += struct.pack("!i", len(body)) + body
        self.flush()

    def flush(self) -> None:
        """Send what the channel takes of the queue. A JVM that is gone shows when it is read from."""
        try:
            while self.outgoing:
                del self.outgoing[: self.channel.send(self.outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self.outgoing.clear()

    def receive(self) -> bool:
        """Take in what has come; False at the end of the stream, or if a message is too long."""
        try:
            data, ancillary, _, _ = self.channel.recvmsg(1 << 18, socket.CMSG_SPACE(_CREDENTIALS.size))
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not self.greeted:  # the hello that the launcher's child sends before it becomes the JVM
            self.pid = next((_CREDENTIALS.unpack(item[2][: _CREDENTIALS.size])[0] for item in ancillary), 0)
            self.greeted = True
            self.incoming += data[1:]
            return bool(data)
        self.incoming += data
        return bool(data) and self._length() <= _MAX_MESSAGE

    def _length(self) -> int:
        """The length of the message that is coming in; -1 as long as that is unknown."""
        return int.from_bytes(self.incoming[:4], "big") if len(self.incoming) >= 4 else -1

    def messages(self) -> Iterator[bytes]:
        """The bodies of the messages that are complete."""
        while 0 <= (length := self._length()) <= len(self.incoming) - 4:
            body = bytes(self.incoming[4 : 4 + length])
            del self.incoming[: 4 + length]
            yield body


class JvmPool:
    """Starts and ends JVMs in the sandbox.

    Args:
        level: the isolation.
        cache: where the sandbox's own classes are kept between runs; None is the user's cache directory.

    Raises:
        JdkUnavailable: no usable JDK.
        SandboxError: the isolation cannot be set up.
    """

    def __init__(self, level: Level, cache: Path | None) -> None:
        self.jdk = jdk.find_jdk()
        self._level = level
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._classes = self._build(cache or jdk.user_cache())
        readable = (str(self.jdk.home), *self.jdk.outside_files(), str(self._classes))
        self._launcher = Launcher(Settings(level.name, readable, self.jdk.libraries))
        self.jvms: set[Jvm] = set()

    def _build(self, cache: Path) -> Path:
        try:
            return jdk.build_classes(self.jdk, cache)
        except OSError:  # no home, or a full or read-only one: then for this run alone
            self._temporary = tempfile.TemporaryDirectory(prefix="astraios-java-")
            directory = Path(self._temporary.name)
            directory.chmod(0o755)  # JVMs run as another user
            return jdk.build_classes(self.jdk, directory)

    def _command(self, role: str) -> list[str]:
        command = [self.jdk.java, *_COMMON, "-cp", str(self._classes / jdk.JAR)]
        if role in (COMPILE, TESTS):
            archive = self._classes / jdk.ARCHIVE
            command += [*jdk.COMPILER_FLAGS, *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else [])]
            return [*command, *jdk.exports(), jdk.COMPILER_CLASS, "samples" if role == COMPILE else "tests"]
        if role == JUDGE:
            return [*command, "-Xmx768m", "-XX:TieredStopAtLevel=1", "astraios$sandbox.Judge"]
        command += ["-Xmx512m", "-XX:-OmitStackTraceInFastThrow"]  # such exceptions are shared between programs
        if self.jdk.feature < 17:
            command.append("--illegal-access=deny")
        if self.jdk.feature >= 22:
            command.append("--enable-native-access=java.base")  # naming one module denies it to the others
        if role == OWN:
            return [*command, f"--limit-modules={_MODULES}", "astraios$sandbox.Subject", "once"]
        return [*command, "astraios$sandbox.Subject"]

    def spawn(self, role: str) -> Jvm:
        """Start a JVM."""
        mine, theirs = socket.socketpair()
        if _SO_PASSCRED is not None:
            mine.setsockopt(socket.SOL_SOCKET, _SO_PASSCRED, 1)
        # Processes and threads; without a user namespace the limit would count the user's own ones too.
        processes = 512 if self._level.name == FULL else None
        limits = linux.Limits(memory=_MEMORY[role], file_size=1 << 20, files=256, processes=processes)
        with theirs:
            number = self._launcher.spawn(self._command(role), limits, theirs)
        mine.setblocking(False)
        jvm = Jvm(number, role, mine)
        self.jvms.add(jvm)
        return jvm

    def end(self, jvm: Jvm) -> float:
        """Kill a JVM; returns the CPU seconds of its whole life."""
        self.jvms.discard(jvm)
        jvm.channel.close()
        return self._launcher.kill(jvm.number)

    def close(self) -> None:
        """End every process and remove what was written; may be called twice."""
        while self.jvms:
            self.jvms.pop().channel.close()
        self._launcher.close()  # which ends them all
        if self._temporary is not None:
            self._temporary.cleanup()
