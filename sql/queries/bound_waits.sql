-- Let no statement of a worker wait without end, for a lock or otherwise.
SELECT
    set_config('lock_timeout', %(lock)s::text, false) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, false)
        AS statement_timeout
