"""GGUF files (llama.cpp) as plain checkpoints, converted once.

A quantised file is dequantised: each block of weights gets the float32 values that its integers stand for. Nothing of
the original precision comes back; :func:`quantisation` measures how coarse the stored grid is.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import schema, store
from .quiet import quiet

SUFFIX = ".gguf"
_ROUND_TRIP = "def f(x):\n    return x + 17  # naïve\n"
_BLOCKS = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}  # bytes of a block of 32 weights; each begins with its float16 step
_BLOCK = 32


def convert(file: Path, folder: Path) -> Path:
    """Write a GGUF model as ``save_pretrained`` writes models: float32 weights, configuration, tokenizer.

    A folder that was made from the same file is kept as it is.

    Args:
        file: the GGUF file.
        folder: where the checkpoint goes; written whole or not at all.

    Returns:
        ``folder``.

    Raises:
        schema.MissingTool: the package ``gguf`` is not installed.
        schema.MissingArtefact: there is no such file.
        schema.BadInput: the file is damaged, of an architecture that transformers cannot read from GGUF, or its
            tokenizer does not give texts back.
    """
    if not file.is_file():
        raise schema.MissingArtefact(f"{file}: no such GGUF file")
    inputs = {"file": store.sha256_file(file), "version": 1}
    note = folder / "gguf.json"
    if (store.read_json(note) or {}).get("inputs") == inputs:
        return folder
    model, tokenizer = _read(file)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as work:
        made = Path(work) / "made"
        with quiet():
            _plain(model).save_pretrained(made)
            tokenizer.save_pretrained(str(made))
        store.write_json(made / note.name, {"inputs": inputs, "source": file.name})
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


def plain(base: schema.Base) -> schema.Base:
    """A base that transformers can load: of a GGUF file its plain checkpoint in the cache, converted once; others stay.

    Raises:
        schema.MissingTool, schema.MissingArtefact, schema.BadInput: as :func:`convert`.
    """
    return schema.Base(model=str(_converted(Path(base.model)))) if base.is_gguf else base


@functools.lru_cache(maxsize=16)
def _converted(file: Path) -> Path:
    if not file.is_file():
        raise schema.MissingArtefact(f"{file}: no such GGUF file")
    return convert(file, store.cache_dir() / "gguf" / f"{file.stem}-{store.sha256(str(file.resolve()).encode())[:8]}")


def _read(file: Path) -> tuple[Any, Any]:
    """The model as transformers reads it from GGUF, and its tokenizer."""
    import torch

    with quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # a progress bar that no setting turns off
            options: dict[str, Any] = {"gguf_file": file.name}
            model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **options)
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **options)
    except ImportError as error:
        raise schema.MissingTool(f"GGUF files need the package gguf (pip install gguf): {_line(error)}") from None
    except (OSError, ValueError, KeyError, RuntimeError, IndexError) as error:
        raise schema.BadInput(f"{file}: not a GGUF model that transformers can read ({_line(error)})") from None
    back = tokenizer.decode(tokenizer(_ROUND_TRIP, add_special_tokens=False)["input_ids"])
    if back != _ROUND_TRIP:
        raise schema.BadInput(f"{file}: its tokenizer does not give texts back ({back!r} for {_ROUND_TRIP!r})")
    return model, tokenizer


def _plain(model: Any) -> Any:
    """The same weights in a model that knows nothing of GGUF: transformers refuses to save a dequantised one."""
    import torch

    config = type(model.config).from_dict(
        {key: value for key, value in model.config.to_dict().items() if key != "quantization_config"}
    )
    with torch.device("meta"):
        plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    return plain


def quantisation(file: Path) -> pd.DataFrame:
    """How coarse a quantised file is.

    A weight that is rounded to a grid of step d is off by d / sqrt(12) on average (root mean square), so the steps that
    the file stores give the relative error of its weights without the originals.

    Returns:
        A row per tensor: name, kind (``F32``, ``Q4_1``, ...), weights, relative_error (of the root mean square; 0 for
        floating-point tensors, NaN for kinds whose blocks this function does not read).

    Raises:
        schema.MissingTool: the package ``gguf`` is not installed.
        schema.BadInput: not a GGUF file.
    """
    return pd.DataFrame(_tensors(file), columns=["name", "kind", "weights", "relative_error"])


def _tensors(file: Path) -> Iterator[tuple[str, str, int, float]]:
    try:
        from gguf import GGUFReader, dequantize
    except ImportError:
        raise schema.MissingTool("GGUF files need the package gguf (pip install gguf)") from None
    try:
        tensors = GGUFReader(str(file)).tensors
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise schema.BadInput(f"{file}: not a GGUF file ({_line(error)})") from None
    for tensor in tensors:
        kind, relative = tensor.tensor_type.name, 0.0
        if kind in _BLOCKS:
            blocks = np.asarray(tensor.data).reshape(-1).view(np.uint8).reshape(-1, _BLOCKS[kind])
            steps = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float64)
            weights = dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
            relative = float(np.sqrt(np.mean(steps**2) / 12 / np.mean(weights**2)))
        elif kind not in ("F32", "F16", "BF16"):
            relative = float("nan")
        yield tensor.name, kind, int(tensor.n_elements), relative


def _line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
