"""The version of this evtrack."""

__version__ = "0.1.0"
