"""A suite's stages, the grid of work units, who executes them, notebooks, and the ledger of verdicts."""
