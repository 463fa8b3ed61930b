"""The database of the worker in whose slot this process runs, for handlers that submit work themselves.

In memory, and not in the environment, which programs and everything else that a handler starts would inherit.
"""

dsn = ""
"""Its connection string; empty outside a slot."""
