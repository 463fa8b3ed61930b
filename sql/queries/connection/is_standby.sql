-- Whether this server only follows another one.
SELECT pg_is_in_recovery()
