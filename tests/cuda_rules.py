"""CUDA's rules imposed on a CPU, for tests: autocast's float32 norms, and 8-bit products as bitsandbytes makes them.

A CPU's autocast leaves layer norms in 16 bits, where CUDA's computes them in float32 and returns float32. On a CPU
bitsandbytes trains by a function of its own (``MatMul8bitFp``), on CUDA by ``MatMul8bitLt``; both run on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import bitsandbytes
import torch
from bitsandbytes.autograd import _functions
from torch.nn import functional

_FLOAT32 = ("layer_norm", "rms_norm", "group_norm", "softmax", "log_softmax")  # of CUDA's list, what models here use


def _wide(plain: Any) -> Any:
    def function(inputs: Any, *args: Any, **options: Any) -> Any:
        if not (torch.is_autocast_enabled("cpu") and inputs.is_floating_point()):
            return plain(inputs, *args, **options)
        with torch.autocast("cpu", enabled=False):
            cast = [v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in args]
            named = {k: v.float() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
            return plain(inputs.float(), *cast, **named)

    return function


def _matmul(a: Any, b: Any, out: Any = None, state: Any = None, threshold: float = 0.0, bias: Any = None) -> Any:
    if threshold > 0.0:
        state.threshold = threshold
    return _functions.MatMul8bitLt.apply(a, b, out, bias, state)


@contextmanager
def imposed() -> Iterator[None]:
    """Both rules, for the length of the block."""
    with ExitStack() as stack:
        for name in _FLOAT32:
            stack.enter_context(mock.patch.object(functional, name, _wide(getattr(functional, name))))
        stack.enter_context(mock.patch.object(bitsandbytes, "matmul", _matmul))
        yield
