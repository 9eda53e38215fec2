"""What tuning costs elsewhere: a model's loss and completions on text that its base was pre-trained for (forgetting).

The recipe's ``retained`` names held-out pre-training documents. A document with a prompt is scored on its completion; a
plain one on all of it. *Plain completion* is greedy decoding from the middle of a plain document: it gives the second
half exactly if each of its tokens is the likeliest one after the true tokens before it, so that one forward pass
decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..sources import corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_TEMPLATE = "{prompt}{completion}"


def measure(
    model: Any, tokenizer: PreTrainedTokenizerBase, documents: Sequence[corpus.Pair]
) -> dict[str, float | None]:
    """Loss and completions of a model on documents, each read alone.

    Args:
        model: with or without a method; evaluated without dropout.
        documents: (prompt, completion) pairs.

    Returns:
        ``retained_loss`` in nats per token, and ``retained_completion``: percent of the plain documents whose second
        half greedy decoding reproduces (``None`` without plain documents).
    """
    import torch

    training, nll, tokens, exact = model.training, 0.0, 0, []
    model.eval()
    encoded = corpus.encode(tokenizer, list(documents), answers_only=True, template=_TEMPLATE)
    with torch.no_grad():
        for (prompt, _), (ids, labels) in zip(documents, encoded, strict=True):
            found = torch.tensor([ids], device=model.device)
            logits = model(input_ids=found, use_cache=False).logits[0, -len(ids) : -1].float()
            wanted = torch.tensor(labels[1:], device=model.device)  # nothing predicts a document's first token
            nll += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
            tokens += int((wanted != corpus.IGNORED).sum())
            if not prompt:
                exact.append(bool((logits.argmax(-1) == wanted)[len(ids) // 2 :].all()))
    model.train(training)
    return {
        "retained_loss": nll / tokens,
        "retained_completion": 100 * sum(exact) / len(exact) if exact else None,
    }
