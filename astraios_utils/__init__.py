"""Backs the notebooks that reproduce *Astraios: Parameter-Efficient Instruction Tuning Code LLMs*."""

__version__ = "0.1.0"
