"""The only layer that talks to PostgreSQL: takes a connection, returns domain objects."""
