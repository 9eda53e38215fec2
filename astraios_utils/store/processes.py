"""Work shared out among processes of this machine, and the lines that they tell the user.

Each has one thread, and none outlives the one that began it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, TypeVar

from .. import schema

T = TypeVar("T")


def say(text: str) -> None:
    """Tell the user what is going on, in one plain line on standard error (bars stick in executed notebooks)."""
    print(text, file=sys.stderr, flush=True)


def share(call: Callable[[T], Any], items: Sequence[T], done: Callable[[T], None]) -> None:
    """Call a function of a module with each item, begun in their order, one a core; the first fault stops all.

    Args:
        done: gets each item, here, when its call has returned.

    Raises:
        schema.AstraiosError: a process was killed.
        Exception: what a call raised.
    """
    pool = ProcessPoolExecutor(min(os.cpu_count() or 1, len(items)), multiprocessing.get_context("spawn"), _start)
    try:
        futures = {pool.submit(call, item): item for item in items}
        for future in as_completed(futures):
            future.result()
            done(futures[future])
    except BrokenProcessPool:
        raise schema.AstraiosError(
            "a process of this run was killed, perhaps for want of memory; what is done is kept: run it again"
        ) from None
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    """Set up a worker: one thread, Ctrl-C left to its parent, and no life after its parent's end."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
