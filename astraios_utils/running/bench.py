"""``astraios bench my_method.yaml``: a method of the user's own in the table of a comparison, next to shipped results.

The method gets what every row got: the same search of learning rates, as many training runs with the same seeds, the
same tasks. It is a suite of its own (``<suite>-<name>``) with one method, so that a killed run continues.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import methods, schema, store
from ..results.comparison import CONTROLS
from ..schema import Row, Suite
from . import comparison, pipeline, search

SUITE = "zoo"


class OwnMethod(BaseModel):
    """A file that describes one method.

    Attributes:
        name: of its row.
        config: its PEFT configuration: ``peft_type`` (or ``like``) and arguments, as in a suite's ``method_configs``.
        suite: the comparison that it joins.
        family: for display: values are pulled towards their family's mean.
        source: what it is, or where it is described.
        register_file: a Python file next to this one that registers its class (key ``register``).
        rate: its learning rate; none: the suite's search.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1)
    config: dict[str, Any]
    suite: str = SUITE
    family: str = "own"
    source: str = "a method of one's own"
    register_file: str | None = Field(default=None, alias="register")
    rate: float | None = Field(default=None, gt=0)


def read(path: Path) -> OwnMethod:
    """Read the file and register its class, where it names one.

    Raises:
        schema.BadInput: unreadable, a field that is missing or unknown, or a class that cannot be registered.
    """
    try:
        held = yaml.safe_load(path.read_text(encoding="utf-8"))
        made = OwnMethod.model_validate(held)
    except OSError as error:
        raise schema.BadInput(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise schema.BadInput(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise schema.BadInput(f"{path}: {where}: {first['msg']} (fields: {', '.join(_fields())})") from None
    if made.register_file is not None:
        from ..methods import own

        own.adopt(path.parent / made.register_file)
    return made


def _fields() -> list[str]:
    return [field.alias or name for name, field in OwnMethod.model_fields.items()]


def as_suite(suite: Suite, own: OwnMethod, rate: float | None = None) -> Suite:
    """The suite of the one method: the comparison's base, recipe, search, tasks and seeds.

    Raises:
        schema.BadInput: the suite does not train, or has a method of that name.
    """
    if suite.recipe is None or suite.search is None:
        raise schema.BadInput(f"suite {suite.name}: compares nothing that is trained and searched here; use {SUITE}")
    if schema.method_slug(own.name) in {schema.method_slug(method) for method in suite.methods}:
        raise schema.BadInput(f"{own.name}: suite {suite.name} has a method of that name; call yours something else")
    rates = {} if rate is None else {own.name: rate}
    fields = suite.model_dump() | {
        "name": f"{suite.name}-{schema.method_slug(own.name)}",
        "title": f"{own.name}, in the comparison of suite {suite.name}",
        "methods": (own.name,),
        "method_configs": {own.name: own.config},
        "rows": {own.name: Row(family=own.family, source=own.source).model_dump()},
        "left_out": {},
        "notebooks": (),
        "recipe": suite.recipe.model_dump() | {"learning_rates": rates},
    }
    try:
        return Suite.model_validate(fields)
    except ValidationError as error:
        raise schema.BadInput(f"{own.name}: {error.errors()[0]['msg']}") from None


def run(path: Path, sandbox: dict[str, Any] | None = None) -> tuple[OwnMethod, pd.DataFrame]:
    """Search, train, generate and score; then the table of the whole comparison.

    Args:
        path: of the file (:class:`OwnMethod`).
        sandbox: arguments of :class:`sandbox.Sandbox`.

    Returns:
        The method, and :func:`comparison.table` with its row.
    """
    own = read(path)
    suite = store.load_suite(own.suite)
    mine = as_suite(suite, own, own.rate)
    base = mine.bases[mine.sizes[0]]
    from .. import models

    methods.peft_config(own.name, models.load_config(base).model_type, own.config)  # what is wrong with it shows now
    if own.rate is None:
        trials = search.run(mine, search.own_path(mine))
        found = search.chosen(trials)
        if not math.isfinite(float(found["loss"].iloc[0])):
            raise schema.BadInput(f"{own.name}: training diverged at every rate of the search")
        mine = as_suite(suite, own, float(found["rate"].iloc[0]))
    store.keep_suite(mine)
    for number in reversed(range(mine.seeds)):
        part = mine.run_of(number)
        pipeline.make(part, "train")
        pipeline.make(part, "generate")
        pipeline.score(part, sandbox)
    table = comparison.table(suite, mine)
    store.write_frame(store.suite_dir(mine.name) / "leaderboard.csv", table)
    return own, table


def text(own: OwnMethod, table: pd.DataFrame) -> str:
    """Where the method stands, and the table around it, for a terminal."""
    ranked = table[~table["control"]]
    row = table[table["method"] == own.name].to_dict("records")[0]
    lines = [
        f"{own.name}: mean {row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}], rank {row['rank']:.0f} "
        f"[{row['rank_low']:.0f}, {row['rank_high']:.0f}] of {len(ranked)}, "
        f"{'not separated from' if row['may_be_best'] else 'below'} the best",
        f"  {row['trainable_parameters']:,.0f} parameters ({row['percent']:.2f}% of the base's), learning rate "
        f"{row['learning_rate']:g}, {'on' if row['front'] else 'behind'} the front of mean and parameters",
    ]
    for control in CONTROLS:
        if f"vs {control}" in row:
            gap, low, high = (row[f"vs {control}{end}"] for end in ("", " low", " high"))
            lines.append(f"  against {control}: {gap:+.1f} [{low:+.1f}, {high:+.1f}], p {row[f'vs {control} p']:.3f}")
    shown = table[["method", "family", "mean", "low", "high", "rank", "trainable_parameters"]].round(1)
    mark = [">" if method == own.name else "" for method in shown["method"]]
    return "\n".join([*lines, "", shown.assign(**{"": mark}).to_string(index=False, na_rep="")])
