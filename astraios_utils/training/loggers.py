"""Loss curves in other tools' dashboards, where a recipe names them in ``report_to``: TensorBoard and Trackio.

The packages are optional (``pip install tensorboard``, ``pip install trackio``).  A dashboard is a copy: the loss log
of a run stays ``losses.jsonl``, and a run's result does not depend on who else is told.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from .. import schema

PACKAGES: Mapping[str, str] = {"tensorboard": "torch.utils.tensorboard", "trackio": "trackio"}


class Logger(Protocol):
    """Who is told of losses."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of one step, by name: ``train/loss``, ``test/loss``, ``train/learning_rate``, …"""

    def close(self) -> None:
        """Write what is not written yet."""


class _TensorBoard:
    """Event files below ``tensorboard`` in the run's folder."""

    def __init__(self, module: Any, folder: Path, start: int) -> None:
        # What a killed run wrote after the step at which this one continues is not shown.
        self._writer = module.SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1 if start else None)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    """A Trackio project per suite, a run per model."""

    def __init__(self, module: Any, folder: Path, project: str, config: Mapping[str, Any], start: int) -> None:
        resume = "allow" if start else "never"
        self._module, self._run = module, module.init(project=project, name=folder.name, config=config, resume=resume)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._module.log(dict(values), step=step)

    def close(self) -> None:
        self._module.finish()


def require(names: Iterable[str]) -> dict[str, Any]:
    """The modules of these loggers, by name.

    Raises:
        schema.MissingTool: a package is not installed.
    """
    found: dict[str, Any] = {}
    for name in names:
        try:
            found[name] = importlib.import_module(PACKAGES[name])
        except ImportError:
            raise schema.MissingTool(
                f"the recipe's report_to names {name}, which is not installed: pip install {name}, or remove it from "
                "report_to"
            ) from None
    return found


def opened(names: Iterable[str], folder: Path, config: Mapping[str, Any], start: int) -> list[Logger]:
    """The loggers of one run.

    Args:
        names: of :data:`PACKAGES`.
        folder: the run's; its suite's name is the project's.
        config: the run's settings, for a dashboard that shows them.
        start: the step at which the run continues, 0 for a new one.

    Raises:
        schema.MissingTool: a package is not installed.
    """
    made: list[Logger] = []
    for name, module in require(names).items():
        if name == "tensorboard":
            made.append(_TensorBoard(module, folder, start))
        else:
            made.append(_Trackio(module, folder, folder.parents[1].name, config, start))
    return made
