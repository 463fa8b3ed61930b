"""Reads for many viewers at the cost of a few connections: a pool for pages, and a hub for what is watched live."""
