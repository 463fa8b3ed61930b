"""The only floor that speaks to PostgreSQL: takes a connection, returns domain objects."""
