"""The regions of a slot's shared page, and the memory behind it."""
