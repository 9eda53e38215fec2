"""The JVMs that one run of the engine uses: which are idle, which have something to say."""

from __future__ import annotations

import selectors
from collections.abc import Iterator

from .pool import OWN, ROLES, Jvm, JvmPool

PROGRAMS_PER_JVM = 1000  # then it is replaced, so that memory stays flat


class Fleet:
    """Hands out JVMs, takes them back, and waits for all of them at once.

    Args:
        pool: where JVMs are started and ended; those that it holds are idle.
        spare: how many idle JVMs of one role are kept.
    """

    def __init__(self, pool: JvmPool, spare: int) -> None:
        self._pool, self._spare = pool, spare
        self._selector = selectors.DefaultSelector()
        self._idle: dict[str, list[Jvm]] = {role: [] for role in ROLES}
        for jvm in pool.jvms:
            self._idle[jvm.role].append(jvm)
            self._selector.register(jvm.channel, selectors.EVENT_READ, jvm)

    def take(self, role: str, fresh: bool = False) -> Jvm:
        """An idle JVM of a role, or a new one; always a new one for `fresh`."""
        while self._idle[role] and not fresh:
            jvm = self._idle[role].pop()
            if jvm.quiet():
                return jvm
            self.end(jvm)
        jvm = self._pool.spawn(role)
        self._selector.register(jvm.channel, selectors.EVENT_READ, jvm)
        return jvm

    def give_back(self, jvm: Jvm) -> None:
        """The JVM may serve another program, unless it is meant for one, has served many, or speaks unasked."""
        jvm.served += 1
        idle = self._idle[jvm.role]
        if jvm.role == OWN or jvm.served >= PROGRAMS_PER_JVM or len(idle) >= self._spare or not jvm.quiet():
            self.end(jvm)
        else:
            idle.append(jvm)

    def end(self, jvm: Jvm) -> float:
        """Kill a JVM; returns the CPU seconds of its life, NaN if it has been killed before."""
        if jvm not in self._pool.jvms:
            return float("nan")
        if jvm in self._idle[jvm.role]:
            self._idle[jvm.role].remove(jvm)
        self._selector.unregister(jvm.channel)
        return self._pool.end(jvm)

    def is_idle(self, jvm: Jvm) -> bool:
        """Whether nobody uses the JVM."""
        return jvm in self._idle[jvm.role]

    def send(self, jvm: Jvm, body: bytes) -> None:
        """Send a message; what the JVM does not take now follows when it does."""
        jvm.send(body)
        self._watch(jvm)

    def wait(self, seconds: float) -> Iterator[tuple[Jvm, bool]]:
        """The JVMs that have spoken or ended, each with whether it is alive, after at most so many seconds."""
        for key, events in self._selector.select(seconds):
            jvm: Jvm = key.data
            if jvm not in self._pool.jvms:
                continue  # ended a moment ago
            if events & selectors.EVENT_WRITE:
                jvm.flush()
                self._watch(jvm)
            if events & selectors.EVENT_READ:
                yield jvm, jvm.receive()

    def _watch(self, jvm: Jvm) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if jvm.outgoing else 0)
        if self._selector.get_key(jvm.channel).events != events:
            self._selector.modify(jvm.channel, events, jvm)

    def close(self) -> None:
        """Stop watching; idle JVMs stay with the pool."""
        self._selector.close()
