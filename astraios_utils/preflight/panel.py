"""A panel in a notebook: choose a part of a suite, see what it would take, run it, and watch it.

It needs ipywidgets (``pip install -e '.[widgets]'``; Colab has it).  Without the package the same choices are
a notebook's parameters, and :func:`show` says so.
"""

from __future__ import annotations

import collections
import html
import time
from collections.abc import Sequence
from typing import Any

from .. import schema, store
from ..planning import estimates
from ..running import pipeline, status
from ..store import processes
from . import suite_check

LINES = 12  # of the log that are shown
EVERY = 3.0  # seconds between two looks at what is done
KINDS = ("sizes", "methods", "tasks")


def planned(part: schema.Suite) -> list[str]:
    """What running a part of a suite would do here: what is left of each stage, then memory and time of each model."""
    lines = status.as_text(part).splitlines()[:-1]
    card = estimates.here()
    if part.recipe is not None and part.generations == "generate":
        if card is None:
            lines.append(f"No GPU here: the times below are those of one {suite_check.DEFAULT_GPU}, if not measured.")
        try:
            suite_check.check(part, card or estimates.get_gpu(suite_check.DEFAULT_GPU), say=lines.append)
        except schema.AstraiosError as error:
            lines += [f"cannot run: {line}" for line in str(error).splitlines()]
    return lines


class Panel:
    """The panel's state and its widgets.

    Args:
        suite: which suite is chosen first.
        part: what of it is chosen first.
        suites: what the reader can choose from.

    Attributes:
        widget: what a notebook displays.
        chosen: the widgets of the choice, by name: ``suite``, ``sizes``, ``methods``, ``tasks``.
        plan, run: the buttons.
        bar: how much is done; text: the plan, then the last lines of progress.
    """

    def __init__(self, suite: str, part: schema.Suite, suites: Sequence[str]) -> None:
        import ipywidgets

        several = {"rows": 6, "layout": ipywidgets.Layout(width="15em")}
        self.chosen: dict[str, Any] = {
            "suite": ipywidgets.Dropdown(
                options=list(dict.fromkeys((suite, *suites))), value=suite, description="Suite"
            ),
            **{name: ipywidgets.SelectMultiple(description=name.capitalize(), **several) for name in KINDS},
        }
        self.plan = ipywidgets.Button(description="What would run?", tooltip="what is left, memory and time")
        self.run = ipywidgets.Button(description="Run", button_style="primary", tooltip="train, generate and score")
        self.bar = ipywidgets.IntProgress(min=0, max=1, description="Done")
        self.text = ipywidgets.HTML()
        self._looked = 0.0
        self._fill(store.load_suite(suite), part)
        self.chosen["suite"].observe(self._other_suite, names="value")
        self.plan.on_click(lambda _: self.show_plan())
        self.run.on_click(lambda _: self.start())
        self.widget = ipywidgets.VBox(
            [
                self.chosen["suite"],
                ipywidgets.HBox([self.chosen[name] for name in KINDS], layout=ipywidgets.Layout(flex_flow="row wrap")),
                ipywidgets.HBox([self.plan, self.run, self.bar]),
                self.text,
            ]
        )

    def _fill(self, whole: schema.Suite, part: schema.Suite) -> None:
        """Offer what a suite has; choose a part of it."""
        offered = {"sizes": whole.sizes, "methods": whole.methods, "tasks": (*whole.tasks, *whole.extra_tasks)}
        for name, options in offered.items():
            self.chosen[name].options = tuple(dict.fromkeys(options))
            self.chosen[name].value = tuple(getattr(part, name))
        self._say(f"{whole.title}. Several are chosen with Ctrl or Shift.")

    def _other_suite(self, change: dict[str, Any]) -> None:
        whole = store.load_suite(change["new"])
        self._fill(whole, whole)

    def _say(self, *lines: str) -> None:
        self.text.value = f"<pre>{html.escape(chr(10).join(lines))}</pre>"

    @property
    def part(self) -> schema.Suite:
        """What is chosen.

        Raises:
            schema.BadInput: nothing of a kind is chosen.
        """
        picked = {name: self.chosen[name].value for name in KINDS}
        for name, values in picked.items():
            if not values:
                raise schema.BadInput(f"choose one or more {name}")
        return store.load_suite(self.chosen["suite"].value).slice(**picked)

    def show_plan(self) -> None:
        """Show what the choice would run."""
        try:
            self._say(*planned(self.part))
        except schema.AstraiosError as error:
            self._say(str(error))

    def start(self) -> None:
        """Make what the choice is missing; an interrupt of the kernel keeps what is finished."""
        lines: collections.deque[str] = collections.deque(maxlen=LINES)

        def progress(text: str) -> None:
            lines.append(text)
            self._say(*lines)
            if time.monotonic() - self._looked > EVERY:
                self._look(part)

        self.bar.bar_style = ""
        try:
            part = self.part
        except schema.BadInput as error:
            self._say(str(error))
            return
        self.plan.disabled = self.run.disabled = True
        try:
            store.keep_suite(store.load_suite(self.chosen["suite"].value))
            self._look(part)
            with processes.listening(progress):
                pipeline.complete(part)
            progress("Done. Execute the notebook's cells to see the results.")
            self.bar.bar_style = "success"
        except schema.AstraiosError as error:
            self.bar.bar_style = "danger"
            self._say(*lines, *str(error).splitlines())
        except KeyboardInterrupt:
            self.bar.bar_style = "warning"
            self._say(*lines, "Interrupted; finished work is kept. Run continues.")
        finally:
            self.plan.disabled = self.run.disabled = False
            self._look(part)

    def _look(self, part: schema.Suite) -> None:
        """Set the bar to what is done of all stages."""
        table = status.table(part)
        self.bar.max, self.bar.value = max(1, int(table["total"].sum())), int(table["done"].sum())
        self._looked = time.monotonic()


def show(suite: str, sizes: Sequence[str] = (), methods: Sequence[str] = (), tasks: Sequence[str] = ()) -> Panel | None:
    """Display the panel in a notebook; without ipywidgets, print the plan and how to start it.

    Args:
        suite: a suite of the project, or a suite file.
        sizes, methods, tasks: what is chosen at first; none named: all.
    """
    part = store.load_suite(suite).slice(sizes, methods, tasks)
    try:
        import ipywidgets  # noqa: F401
    except ImportError:
        print(*planned(part), sep="\n")
        print(
            "No panel: ipywidgets is not installed (pip install -e '.[widgets]'). Set suite, sizes and methods in a "
            "notebook's parameters cell, and run = True."
        )
        return None
    from IPython.display import display

    made = Panel(suite, part, store.suite_names())
    display(made.widget)  # type: ignore[no-untyped-call]
    return made
