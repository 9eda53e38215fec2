"""What can run here, checked before anything starts."""
