"""Commands about the database: migrate, verify, cleanup, archive, server, dsn, psql."""
