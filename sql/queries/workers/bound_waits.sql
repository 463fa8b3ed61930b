-- Let no statement of a worker wait without end, for a lock or otherwise, and
-- let no transaction of a stopped one hold locks.
SELECT
    set_config('lock_timeout', %(lock)s::text, false) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, false)
        AS statement_timeout,
    set_config('idle_in_transaction_session_timeout', %(idle)s::text, false)
        AS idle_timeout
