-- The cluster that this database is in.
SELECT c.system_identifier::text AS system_identifier
FROM pg_control_system() AS c
