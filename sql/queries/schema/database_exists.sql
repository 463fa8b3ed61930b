-- Whether this server has a database of this name.
SELECT count(*) > 0 AS database_exists
FROM pg_database AS d
WHERE d.datname = %(name)s::text
