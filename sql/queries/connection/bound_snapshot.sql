-- Limit how long the statements of this transaction may run or wait for a lock.
SELECT
    set_config('lock_timeout', %(lock)s::text, true) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, true)
        AS statement_timeout
