"""What a run needs in memory and time, computed before it starts."""
