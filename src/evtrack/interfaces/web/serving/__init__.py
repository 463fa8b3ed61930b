"""Serves a dashboard on an address of its own."""
