"""What tuning does to a model: how its weights change, what it forgets, and what can be moved, shrunk or grafted."""
