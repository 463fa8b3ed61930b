"""A worker: the supervisor, which talks to the database and runs no user code."""
