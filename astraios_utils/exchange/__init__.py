"""Files of other tools: generations in and out of their layouts, results as their metadata, suites as a JSON Schema."""
