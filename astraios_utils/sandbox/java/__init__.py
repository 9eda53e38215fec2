"""Java programs: compiled in a warm server, run in sandboxed JVMs."""
