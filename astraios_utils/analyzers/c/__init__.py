"""C: a parser, a small abstract interpreter, and the checkers that watch it."""
