"""Finds the JDK of the machine and builds the sandbox's own Java classes (``java/*.java``) with it, once."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ..kernel.levels import SandboxError

OLDEST = 11
_HOW = "install JDK 17 (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless) or point JAVA_HOME at one"
_INTERNALS = ("api", "file", "util")  # packages of jdk.compiler that the compile server uses


class JdkUnavailable(SandboxError):
    """There is no usable JDK; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Jdk:
    """A Java development kit.

    Attributes:
        home: its directory, symbolic links resolved.
        version: for example ``"17.0.15"``.
        feature: the first number of the version.
    """

    home: Path
    version: str
    feature: int

    @property
    def java(self) -> str:
        """The launcher."""
        return str(self.home / "bin" / "java")

    @property
    def libraries(self) -> str:
        """What ``LD_LIBRARY_PATH`` must hold where there is no /proc for the launcher to find itself by."""
        return f"{self.home}/lib/server:{self.home}/lib/jli:{self.home}/lib"

    @property
    def levels(self) -> range:
        """The language levels that its compiler supports (``javac --release``): 6 until JDK 11, 7 until 19, then 8."""
        return range(6 if self.feature < 12 else 7 if self.feature < 20 else 8, self.feature + 1)

    def outside_files(self) -> list[str]:
        """Files that the JDK reaches by symbolic links and that lie elsewhere (Debian keeps settings in /etc)."""
        links = (os.path.join(top, name) for top, dirs, files in os.walk(self.home) for name in (*dirs, *files))
        targets = {os.path.realpath(link) for link in links if os.path.islink(link)}
        return sorted(t for t in targets if os.path.exists(t) and not t.startswith(f"{self.home}/"))


def find_jdk() -> Jdk:
    """The JDK that ``JAVA_HOME`` names, else the one whose ``javac`` is on the PATH.

    Raises:
        JdkUnavailable: none is found, it is only a runtime (no javac), or it is older than 11.
    """
    return _inspect(os.environ.get("JAVA_HOME") or None, os.environ.get("PATH"))


@cache
def _inspect(java_home: str | None, path: str | None) -> Jdk:
    if java_home is not None:
        home = Path(java_home).resolve()
        where = f"JAVA_HOME={java_home}"
        if not (home / "bin" / "java").exists():
            raise JdkUnavailable(f"{where} holds no bin/java: {_HOW}")
    else:
        tool = shutil.which("javac", path=path) or shutil.which("java", path=path)
        if tool is None:
            raise JdkUnavailable(f"no java and no javac on the PATH, so Java programs cannot be scored: {_HOW}")
        home, where = Path(os.path.realpath(tool)).parent.parent, tool
    if not (home / "bin" / "javac").exists():
        raise JdkUnavailable(f"{where} is a Java runtime without the compiler javac: {_HOW}")
    return _version(home, where)


def _version(home: Path, where: str) -> Jdk:
    try:
        command = [str(home / "bin" / "javac"), "-version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JdkUnavailable(f"{where} does not run ({error}): {_HOW}") from error
    found = re.search(r"javac (\d+)[\w.+-]*", answer.stdout + answer.stderr)
    if answer.returncode != 0 or found is None:
        raise JdkUnavailable(f"{where} does not tell its version (exit status {answer.returncode}): {_HOW}")
    version = found.group(0).removeprefix("javac ")
    if int(found.group(1)) < OLDEST:
        raise JdkUnavailable(f"{where} is JDK {version}, older than {OLDEST}: {_HOW}")
    return Jdk(home, version, int(found.group(1)))


def exports() -> list[str]:
    """The options that let the compile server use the parts of javac that keep it warm."""
    return [f"--add-exports=jdk.compiler/com.sun.tools.javac.{name}=ALL-UNNAMED" for name in _INTERNALS]


def user_cache() -> Path:
    """Where a user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "astraios"


JAR, ARCHIVE = "sandbox.jar", "compiler.jsa"  # in the directory of `build_classes`
# Flags of the compile servers that must be the same when their archive of loaded classes is made and when it is used.
COMPILER_FLAGS = ("-XX:+UseSerialGC", "-Xmx768m", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
COMPILER_CLASS = "astraios$sandbox.CompileServer"


def build_classes(jdk: Jdk, cache_directory: Path) -> Path:
    """The directory of the sandbox's own classes, compiled into `cache_directory` unless they are there already.

    It holds `JAR` and, where the JDK can make one, `ARCHIVE`: the classes of the compiler as the JVM holds them in
    memory, which halves the start of a compile server.

    Raises:
        JdkUnavailable: this JDK cannot compile them.
        OSError: `cache_directory` cannot be written.
    """
    sources = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".java")
    )
    parts = (jdk.version, str(jdk.home), sources, COMPILER_FLAGS)
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    target = cache_directory / f"java-classes-{digest}"
    if target.is_dir():
        return target
    cache_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".java-classes-", dir=cache_directory) as name:
        scratch = Path(name)
        for file, text in sources:
            (scratch / file).write_text(text, encoding="utf-8")
        files = [str(scratch / file) for file, _ in sources]
        command = [str(jdk.home / "bin" / "javac"), *exports(), "-nowarn", "-d", str(scratch / "out"), *files]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            first = (answer.stderr.strip().splitlines() or ["no message"])[0]
            raise JdkUnavailable(f"JDK {jdk.version} does not compile the sandbox's classes ({first}): {_HOW}")
        result = scratch / "result"
        result.mkdir()
        _pack(scratch / "out", result / JAR)
        result.chmod(0o755)  # the sandbox reads it as another user
        (result / JAR).chmod(0o644)
        try:
            result.rename(target)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same classes
                raise
    _archive(jdk, target)
    return target


def _pack(classes: Path, jar: Path) -> None:
    with zipfile.ZipFile(jar, "w") as archive:
        for path in sorted(classes.rglob("*.class")):
            archive.write(path, path.relative_to(classes))


def _archive(jdk: Jdk, directory: Path) -> None:
    """Have a compile server note the classes that it loads for one small program; without them it starts slower."""
    source = b"import java.util.*; class Solution { List<Integer> f(int n) { return new ArrayList<>(List.of(n)); } }"
    words = b"f Solution"
    body = b"".join(struct.pack("!i", len(part)) + part for part in (source, words))
    request = struct.pack("!ii", len(body) + 4, 0) + body
    scratch = directory / f".{ARCHIVE}-{os.getpid()}"
    command = [jdk.java, *COMPILER_FLAGS, f"-XX:ArchiveClassesAtExit={scratch}", "-cp", str(directory / JAR)]
    subprocess.run([*command, *exports(), COMPILER_CLASS, "samples"], input=request, capture_output=True, check=False)
    if scratch.exists():
        scratch.chmod(0o644)
        scratch.replace(directory / ARCHIVE)
