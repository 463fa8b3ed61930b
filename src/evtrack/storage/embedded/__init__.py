"""The embedded PostgreSQL server, and the choice between it and a configured one."""
