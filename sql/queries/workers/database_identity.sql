-- What distinguishes this database from all others, in this cluster and elsewhere.
SELECT c.system_identifier || '/' || d.oid AS identity
FROM pg_control_system() AS c
INNER JOIN pg_catalog.pg_database AS d ON d.datname = current_database()
