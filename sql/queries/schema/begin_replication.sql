-- Prepare this database to receive the log of another one.
SELECT evtrack.begin_replication() AS begun
