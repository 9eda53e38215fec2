"""Configuration of bottleneck adapters; also reads the ``adapter_config.json`` of the paper's released checkpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

from peft.config import PeftConfig
from peft.utils import PeftType

from ... import schema

PLACEMENTS = ("input", "output", "parallel")
INITIALISATIONS = ("bert", "mam_adapter")


@dataclass
class BottleneckConfig(PeftConfig):
    """A bottleneck adapter ``f(x) = scaling * up(act(down(dropout(x))))`` on chosen linear layers (no biases).

    Args:
        bottleneck_size: rows of ``down``, columns of ``up``.
        non_linearity: the activation ``act``, by transformers' name.
        adapter_dropout: share of the adapter's input that is dropped in training.
        scaling: factor of the adapter's output.
        init_weights: ``bert`` draws both matrices from a normal distribution with standard deviation 0.02 (the paper's
            models); ``mam_adapter`` starts ``up`` at zero, so that tuning starts from the base model exactly.
        use_parallel_adapter: every adapter runs in parallel to its layer. Otherwise layers that open the MLP get theirs
            at their input, layers that close it at their output.
        use_adapterp: part of the released format; never read, ``target_modules`` decides.
        bias: part of the released format; only ``none``.
        target_modules: ends of module paths (or a regular expression for the whole path).
        exclude_modules: the same, for layers to leave alone.
        placement: ``input``, ``output`` or ``parallel`` by the end of the module's path, for architectures that the
            project's table does not describe; wins over the rules above.
        modules_to_save: modules to train and save in full, in addition to the adapters.
    """

    bottleneck_size: int = 256
    non_linearity: str = "tanh"
    adapter_dropout: float = 0.0
    scaling: float | str = 1.0
    init_weights: str = "bert"
    use_parallel_adapter: bool = False
    use_adapterp: bool = False
    bias: str = "none"
    target_modules: list[str] | str | None = None
    exclude_modules: list[str] | str | None = None
    placement: dict[str, str] | None = field(default=None)
    modules_to_save: list[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.peft_type = PeftType("BOTTLENECK")
        # PEFT compares and saves sets; the released files hold lists.
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)  # type: ignore[assignment]
        if isinstance(self.exclude_modules, list):
            self.exclude_modules = set(self.exclude_modules)  # type: ignore[assignment]
        self._validate()

    def _validate(self) -> None:
        from transformers.activations import ACT2FN

        schema.match(self.init_weights, INITIALISATIONS, "init_weights")
        if self.non_linearity not in ACT2FN:
            schema.match(self.non_linearity, sorted(ACT2FN), "non_linearity")
        for where in (self.placement or {}).values():
            schema.match(where, PLACEMENTS, "placement")
        if self.bottleneck_size < 1:
            raise schema.BadInput(f"bottleneck_size must be 1 or more, not {self.bottleneck_size}")
        if not 0 <= self.adapter_dropout < 1:
            raise schema.BadInput(f"adapter_dropout must be in [0, 1), not {self.adapter_dropout}")
        if not isinstance(self.scaling, int | float):
            raise schema.BadInput(f"scaling must be a number, not {self.scaling!r} (none is learned)")
        if self.bias != "none":
            raise schema.BadInput(f"bias must be 'none', not {self.bias!r}: bottleneck adapters train no biases")
