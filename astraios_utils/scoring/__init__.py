"""Generations -> verdicts: read files in the released format, run or judge their samples, keep every outcome."""

from __future__ import annotations

from .levels import score_at_level
from .score import VERSION, Scored, Source, inputs_of, print_line, run_programs, score, write

__all__ = ["VERSION", "Scored", "Source", "inputs_of", "print_line", "run_programs", "score", "score_at_level", "write"]
