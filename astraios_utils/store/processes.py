"""Distribute work over processes of this machine, and report progress to the user.

Each worker has one thread and ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

import rich.console
import rich.progress

from .. import schema

T = TypeVar("T")
R = TypeVar("R")


_shown: list[rich.progress.Progress] = []  # the live display of the running stage, if there is one
_listeners: list[Callable[[str], None]] = []  # what takes the lines instead of standard error


def say(text: str) -> None:
    """Print a line of progress to standard error, above the live display where there is one."""
    if _listeners:
        _listeners[-1](text)
    elif _shown:
        _shown[-1].console.print(text, markup=False, highlight=False)
    else:
        print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Pass each line of progress of this process to ``listener`` instead of printing it."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextlib.contextmanager
def stage(name: str, total: int, every: float = 0.0) -> Iterator[Callable[[str], None]]:
    """Show the progress of a stage: a live display with the time left on a terminal, plain lines elsewhere.

    Args:
        name: of the stage.
        total: units of work.
        every: without a terminal, seconds between two lines at least; 0: a line per finished unit.

    Yields:
        What is called with the name of each unit that has finished.
    """
    started, done, reported = time.perf_counter(), 0, 0.0
    if sys.stderr.isatty() and not _listeners:
        columns = (rich.progress.TextColumn("{task.description}"), rich.progress.BarColumn())
        counts = (rich.progress.MofNCompleteColumn(), rich.progress.TimeRemainingColumn())
        with rich.progress.Progress(*columns, *counts, console=rich.console.Console(stderr=True)) as shown:
            bar = shown.add_task(name, total=total)
            _shown.append(shown)
            try:
                yield lambda unit: shown.update(bar, advance=1, description=f"{name}: {unit}")
            finally:
                _shown.remove(shown)
        return

    def finish(unit: str) -> None:
        nonlocal done, reported
        done += 1
        spent = time.perf_counter() - started
        if done < total and spent - reported < every:
            return
        reported, left = spent, spent / done * (total - done)
        say(f"[{done}/{total}] {unit}: done" + (f", {left:.0f} s left" if done < total else ""))

    yield finish


def share(call: Callable[[T], R], items: Sequence[T], done: Callable[[T, R], None]) -> None:
    """Call a module's function with each item, in order, one process per core; the first exception stops all.

    Args:
        done: gets each item and what its call returned, here.

    Raises:
        schema.AstraiosError: a process was killed.
        Exception: what a call raised.
    """
    pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(items)), multiprocessing.get_context("spawn"), _start)
    try:
        futures = {pool.submit(call, item): item for item in items}
        for future in as_completed(futures):
            done(futures[future], future.result())
    except BrokenProcessPool:
        raise schema.AstraiosError(
            "a process of this run was killed, perhaps out of memory; finished work is kept: run the same command again"
        ) from None
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def alone(call: Callable[[T], R], item: T, variables: Mapping[str, str]) -> R:
    """Call a module's function with one item in a separate process with these environment variables.

    Raises:
        schema.AstraiosError: the process was killed.
        Exception: what the call raised.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _enter, (dict(variables),)) as pool:
        try:
            return pool.submit(call, item).result()
        except BrokenProcessPool:
            raise schema.AstraiosError(
                "its process was killed, perhaps out of memory; finished work is kept: run the same command again"
            ) from None


def _enter(variables: Mapping[str, str]) -> None:
    """Set up a process of :func:`alone`: its variables before any library reads them; see :func:`_start`."""
    os.environ.update(variables)
    _outlive_nobody()


def _start() -> None:
    """Set up a worker: one thread, Ctrl-C left to its parent, and no life after its parent's end."""
    import torch

    torch.set_num_threads(1)
    _outlive_nobody()


def _outlive_nobody() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
