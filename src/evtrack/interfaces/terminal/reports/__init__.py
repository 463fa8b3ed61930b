"""Reports for a terminal, one module a subject."""
