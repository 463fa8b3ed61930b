"""Proves the log: digests, versions and events of each stream, and the projections that are folds of them."""
