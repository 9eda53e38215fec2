"""How many parameters each method trains (Table 1, Figure 2), counted on models without weights."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .. import schema, store
from .attaching import attach
from .bases import STARCODER, load_config, meta, on_meta, starcoder_config

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from transformers import PretrainedConfig


def trainable_parameters(model: torch.nn.Module) -> int:
    """Count the numbers that training changes; parameters that two modules share count once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_parameters(
    sizes: Iterable[str] = schema.SIZES,
    names: Iterable[str] = schema.METHODS,
    changes: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Count Table 1 and Figure 2 on the meta device.

    StarCoder's blocks are alike, and so is what a method adds to each: a model of one block and one of two tell the
    count of any depth.

    Args:
        sizes: of StarCoderBase.
        names: methods of the table.
        changes: fields of each method's PEFT configuration that replace the table's; as they may treat blocks
            differently, whole models are then counted.

    Returns:
        A row per model: size, method, parameters (trained), percent (of the base's parameters).
    """
    import pandas as pd

    rows = []
    for size in sizes:
        config = starcoder_config(size)
        base = _of_all_blocks(config, None)
        for name in names:
            method = schema.match(name, schema.ALL_METHODS, "method")
            count = _trained(config, method, changes) if changes else _of_all_blocks(config, method)
            rows.append((schema.match(size, STARCODER, "size"), method, count, 100 * count / base))
    return pd.DataFrame(rows, columns=["size", "method", "parameters", "percent"])


def _trained(config: PretrainedConfig, method: str | None, changes: Mapping[str, Any] | None = None) -> int:
    """What a method trains of a model; without a method, all parameters of the base."""
    with meta():
        model = on_meta(config)
        return trainable_parameters(model if method is None else attach(model, method, changes))


def _of_all_blocks(config: PretrainedConfig, method: str | None) -> int:
    """Count on models of one block and of two, and add what each further block adds."""
    one, two = (_trained(_with_blocks(config, blocks), method) for blocks in (1, 2))
    return one + (int(config.n_layer) - 1) * (two - one)


def _with_blocks(config: PretrainedConfig, blocks: int) -> PretrainedConfig:
    shallow = copy.deepcopy(config)
    shallow.n_layer = blocks
    return shallow


def count_suite(suite: schema.Suite) -> pd.DataFrame:
    """Count on the meta device what each method of a suite trains on each of its bases.

    Returns:
        A row per model: size, method, parameters (trained), base (the base's own), percent (of the base's),
        percent_of_all (of the base's and the added ones together, as PEFT's ``print_trainable_parameters`` prints).

    Raises:
        schema.BadInput: a size without a base, or a method that does not fit its base.
    """
    import pandas as pd

    rows = []
    for size in suite.sizes:
        if size not in suite.bases:
            raise schema.BadInput(f"suite {suite.name}: names no base of size {size}")
        config = load_config(suite.bases[size])
        base = trainable_parameters(on_meta(config))
        for method in suite.methods:
            with meta():
                tuned = attach(on_meta(config), method, suite.method_configs.get(method))
            count, whole = trainable_parameters(tuned), sum(p.numel() for p in tuned.parameters())
            rows.append((size, method, count, base, 100 * count / base, 100 * count / whole))
    return pd.DataFrame(rows, columns=["size", "method", "parameters", "base", "percent", "percent_of_all"])


def print_parameters(as_json: bool = False, sizes: Iterable[str] = (), names: Iterable[str] = ()) -> None:
    """Run the command ``astraios params``: print Table 1 as counted here next to the paper's numbers."""
    from ..sources import paper

    started = time.perf_counter()
    counted = count_parameters(tuple(sizes) or schema.SIZES, tuple(names) or schema.METHODS)
    published = paper.table(1).set_index(["size", "method"])["value"]
    rows = [
        {**row, "paper": int(published[key]) if (key := (row["size"], row["method"])) in published.index else None}
        for row in counted.to_dict("records")
    ]
    if as_json:
        peak = store.provenance()["peak_memory_mib"]
        seconds = round(time.perf_counter() - started, 2)
        print(json.dumps({"parameters": rows, "seconds": seconds, "peak_memory_mib": peak}))
        return
    print(f"{'size':5}{'method':11}{'parameters':>15}{'% of base':>11}  paper")
    for row in rows:
        printed = "not in Table 1" if row["paper"] is None else row["paper"]
        same = "equal" if printed == row["parameters"] else printed
        print(f"{row['size']:5}{row['method']:11}{row['parameters']:15,}{row['percent']:11.4f}  {same}")
