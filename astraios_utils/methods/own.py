"""The tuners that PEFT does not have; importing this module registers them.

Files of the user's that register tuners of their own are named in ``ASTRAIOS_METHODS`` (:func:`adopt`), so that every
process of a run knows them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from .. import schema
from . import bottleneck, half, scaling

VARIABLE = "ASTRAIOS_METHODS"


def adopt(path: Path) -> None:
    """Execute a Python file that registers tuners (:func:`registration.register`), here and in processes to come.

    Raises:
        schema.BadInput: no such file, or it fails; says how.
    """
    path = path.resolve()
    held = [name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    _execute(path)
    if str(path) not in held:
        os.environ[VARIABLE] = os.pathsep.join([*held, str(path)])


def _execute(path: Path) -> None:
    name = f"astraios_own_{schema.method_slug(path.stem)}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", "") == str(path):
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise schema.BadInput(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except schema.AstraiosError:
        del sys.modules[name]
        raise
    except Exception as error:  # anything may go wrong in someone's file
        del sys.modules[name]
        raise schema.BadInput(
            f"{path}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        ) from error


for _name in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
    _execute(Path(_name))

__all__ = ["adopt", "bottleneck", "half", "scaling"]
