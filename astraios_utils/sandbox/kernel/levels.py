"""What isolation this machine offers, found by trying it, and what is not guaranteed where it falls short."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

from . import linux

FULL, REDUCED, WEAK = "full", "reduced", "weak"
ISOLATIONS = (FULL, REDUCED, WEAK)
ALLOW_WEAK_VARIABLE = "ASTRAIOS_ALLOW_WEAK_SANDBOX"

_NOT_GUARANTEED = {
    FULL: (),
    REDUCED: (
        "no private mounts: a sample has nowhere to write, so programs that write files are judged as errors",
        "no network namespace: only the system call filter keeps samples off the network",
        "no pid namespace: samples can see process numbers, though neither signal nor trace them",
    ),
    WEAK: (
        "THERE IS NO SECURITY BOUNDARY: a sample runs with your rights, can read and delete your files, "
        "use the network, start processes that stay behind, and kill or deceive the scorer",
    ),
}


class SandboxError(RuntimeError):
    """Something of the sandbox itself went wrong; one line."""


class SandboxUnavailable(SandboxError):
    """The isolation that was asked for cannot be had here; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Level:
    """How well programs are isolated.

    Attributes:
        name: ``"full"`` (namespaces, Landlock, seccomp), ``"reduced"`` (Landlock and seccomp without namespaces) or
            ``"weak"`` (resource limits and process groups alone).  At each of them test and sample are in separate
            processes.
        missing: what the next better level would need, as one line each; empty for ``"full"``.
    """

    name: str
    missing: tuple[str, ...] = ()

    @property
    def not_guaranteed(self) -> tuple[str, ...]:
        """What a user must not rely on, one line each."""
        return _NOT_GUARANTEED[self.name]

    def __str__(self) -> str:
        text = f"sandbox isolation: {self.name}"
        if self.not_guaranteed:
            text += " (NOT guaranteed: " + "; ".join(self.not_guaranteed) + ")"
        if self.missing:
            text += " [missing: " + "; ".join(self.missing) + "]"
        return text


@cache
def missing_for(name: str) -> tuple[str, ...]:
    """What is missing on this machine for a level, one line each; empty if the level is available."""
    if name == WEAK:
        return ()
    if not linux.supported:
        return ("Linux on x86-64 or aarch64 (macOS and Windows: use a Linux container or virtual machine)",)
    probes = [
        ("seccomp", _try_seccomp, "a kernel or container that permits seccomp filters"),
        ("Landlock", _try_landlock, "Linux 5.13 or newer with 'landlock' in its lsm= list"),
    ]
    if name == FULL:
        remedy = (
            "user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns=0, "
            "or docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
        )
        probes.append(("namespaces", _try_namespaces, remedy))
    failures = ((what, linux.attempt(probe), remedy) for what, probe, remedy in probes)
    return tuple(f"{what} ({error}): needs {remedy}" for what, error, remedy in failures if error is not None)


def _try_seccomp() -> None:
    linux.install_filter(linux.seccomp_filter(os.getpid()))
    os.getpid()


def _try_landlock() -> None:
    linux.restrict_self(linux.landlock_ruleset())


def _try_namespaces() -> None:
    """The outer and the inner set of namespaces, with the mounts that each needs."""
    uid, gid = enter_outer_namespaces()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            linux.new_root(("/usr/lib",), keep_proc=True)
            uid, gid = leave_root(uid, gid)
            inner = linux.clone(linux.NEWUSER | linux.NEWPID | linux.NEWNS | linux.NEWIPC)
            if inner == 0:
                linux.map_identity(uid, gid)
                linux.cover((), megabytes=1)
                os._exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        raise OSError("nested namespaces or mounts in them are forbidden")


def enter_outer_namespaces() -> tuple[int, int]:
    """Move the calling process into the zygote's namespaces; children forked afterwards are in the new pid namespace.

    Root that may do so needs no user namespace.  Returns the uid and gid that the process has afterwards.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = linux.NEWNS | linux.NEWPID | linux.NEWNET | linux.NEWIPC | linux.NEWUTS
    if uid == 0:
        try:
            linux.unshare(flags)
            return uid, gid
        except PermissionError:
            pass  # root without CAP_SYS_ADMIN, as in most containers: the way of an ordinary user remains
    linux.unshare(flags | linux.NEWUSER)
    linux.map_identity(uid, gid)
    return uid, gid


def leave_root(uid: int, gid: int) -> tuple[int, int]:
    """Give up root for a uid that nothing else uses, so that limits per user count the sandbox alone.

    An ordinary user, and root inside a user namespace that maps nothing else, keep the uid that they have.
    """
    if uid != 0:
        return uid, gid
    throwaway = 1_900_000_000 + os.getpid() % 100_000_000
    try:
        linux.become(throwaway, throwaway)
    except OSError:
        return uid, gid
    return throwaway, throwaway


def choose(isolation: str = "auto", allow_weak: bool = False) -> Level:
    """The level to use.

    Args:
        isolation: ``"auto"`` takes the best there is; a level's name forces it.
        allow_weak: consent to the weak level, which protects nothing; the environment variable
            ``ASTRAIOS_ALLOW_WEAK_SANDBOX=1`` is the same.

    Raises:
        ValueError: no such isolation.
        SandboxUnavailable: the level cannot be had here, or it is weak and nobody consented.
    """
    if isolation not in ("auto", *ISOLATIONS):
        raise ValueError(f"isolation {isolation!r}: choose one of auto, {', '.join(ISOLATIONS)}")
    candidates = ISOLATIONS if isolation == "auto" else (isolation,)
    name = next((name for name in candidates if not missing_for(name)), None)
    if name is None:
        raise SandboxUnavailable(f"isolation {isolation!r} is not possible here: " + "; ".join(missing_for(isolation)))
    better = {FULL: (), REDUCED: missing_for(FULL), WEAK: missing_for(REDUCED)}[name]
    if name == WEAK and not (allow_weak or os.environ.get(ALLOW_WEAK_VARIABLE) == "1"):
        reason = "; ".join(better) or "nothing is missing for a better one"
        raise SandboxUnavailable(
            f"only weak isolation, which is no security boundary ({reason}); "
            f"to run untrusted programs all the same, pass --allow-weak-sandbox or set {ALLOW_WEAK_VARIABLE}=1"
        )
    return Level(name, better)
