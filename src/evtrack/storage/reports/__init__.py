"""Reads of the views, as frozen rows."""
