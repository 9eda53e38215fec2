"""The CoNaLa study's Table 3 recounted, and where its printed percentages come from when they are not its methods'.

Everything is counted on the meta device from the suite's shapes: no weights, no hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .. import models, schema
from ..sources import conala_study

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def table(suite: schema.Suite) -> pd.DataFrame:
    """The suite's counts next to the study's percentages.

    Returns:
        The columns of :func:`models.count_suite`, ``printed`` (``0.47%``; NaN where the study has no such model), and
        ``agrees``: the counted share of all parameters is the printed one at the printed digits.
    """
    counted = models.count_suite(suite)
    both = counted.merge(conala_study.costs()[["size", "method", "printed"]], on=["size", "method"], how="left")
    shares = zip(both["percent_of_all"], both["printed"], strict=True)
    return both.assign(agrees=[isinstance(text, str) and _as_printed(share, text) == text for share, text in shares])


def _as_printed(share: float, like: str) -> str:
    """A percentage with as many decimals as another one has."""
    return f"{share:.{len(like.removesuffix('%').partition('.')[2])}f}%"


def explanations(suite: schema.Suite) -> pd.DataFrame:
    """What gives the printed percentage where the study's own description does not.

    Returns:
        size, method, counted (percent of all), printed, candidate (in words) and ``gives`` (what it makes, as printed);
        a row per candidate that gives the printed number, or one without candidate where none does.
    """
    frame = table(suite)
    rows = []
    for cell in frame[frame["printed"].notna() & ~frame["agrees"]].to_dict("records"):
        size, method, printed = str(cell["size"]), str(cell["method"]), str(cell["printed"])
        found = {text: _as_printed(share, printed) for text, share in _candidates(suite, frame, size, method).items()}
        right = {text: gives for text, gives in found.items() if gives == printed} or {"": ""}
        head = {"size": size, "method": method, "counted": cell["percent_of_all"], "printed": printed}
        rows += [{**head, "candidate": text, "gives": gives} for text, gives in right.items()]
    return pd.DataFrame(rows, columns=["size", "method", "counted", "printed", "candidate", "gives"])


def _candidates(suite: schema.Suite, frame: pd.DataFrame, size: str, method: str) -> dict[str, float]:
    """Other counts of one model, in percent of all parameters, by what was counted."""
    others = frame[(frame["size"] == size) & (frame["method"] != method) & (frame["method"] != "FFT")]
    found = {f"the share of {row['method']}, in this row": row["percent_of_all"] for row in others.to_dict("records")}
    if method == "LoRA":
        config, changes = models.load_config(suite.bases[size]), suite.method_configs["LoRA"]
        base = models.on_meta(config)
        whole, linear = models.trainable_parameters(base), _linear_weights(base)
        added = models.trainable_parameters(models.attach(base, "LoRA", changes))
        found["LoRA on all linear layers of a 4-bit base, whose weights are counted as packed by two"] = (
            100 * added / (whole - linear // 2 + added)
        )
        if config.model_type == "gpt2":  # PEFT's default targets
            small = models.attach(models.on_meta(config), "LoRA", {**changes, "target_modules": ["c_attn"]})
            added = models.trainable_parameters(small)
            found["LoRA on c_attn alone, PEFT's default for GPT-2"] = 100 * added / (whole + added)
    return found


def _linear_weights(base: PreTrainedModel) -> int:
    """Numbers in the matrices of the linear layers, the head left out."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    head = base.get_output_embeddings()  # type: ignore[no-untyped-call]
    layers = [module for module in base.modules() if isinstance(module, nn.Linear | Conv1D) and module is not head]
    return sum(layer.weight.numel() for layer in layers)


def state_gib(parameters: int, bytes_each: float = 8.0) -> float:
    """GiB of full fine-tuning without activations: weights, gradients and Adam's two moments, in 16 bits each."""
    return parameters * bytes_each / 2**30
