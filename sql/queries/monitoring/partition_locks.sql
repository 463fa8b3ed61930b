-- Count the days and their tables and indexes, each of which a call may lock,
-- and the locks that the server has room for.
SELECT
    (
        SELECT count(*)
        FROM pg_inherits AS i
        WHERE i.inhparent = 'evtrack.event'::regclass
    ) AS days,
    (
        SELECT count(*)
        FROM pg_inherits AS i
        INNER JOIN pg_class AS p ON i.inhparent = p.oid
        WHERE p.relnamespace = 'evtrack'::regnamespace
    ) AS relations,
    current_setting('max_locks_per_transaction')::bigint AS per_transaction,
    current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint AS transactions
