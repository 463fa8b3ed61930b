"""Commands that process documents: submit, work, run."""
