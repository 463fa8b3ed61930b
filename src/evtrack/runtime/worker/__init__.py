"""A worker: the supervisor has the database connection and runs no user code; its slots run the user code."""
