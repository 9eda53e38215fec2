"""Where data comes from: released files, instruction corpora, and the papers' published numbers."""
