"""What a reader sees: figures, tables in notebooks, and the report."""
