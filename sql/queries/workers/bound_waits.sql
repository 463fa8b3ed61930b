-- Limit how long a worker's statements wait, for a lock or otherwise, and how
-- long a stopped worker's transaction holds locks.
SELECT
    set_config('lock_timeout', %(lock)s::text, false) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, false)
        AS statement_timeout,
    set_config('idle_in_transaction_session_timeout', %(idle)s::text, false)
        AS idle_timeout
