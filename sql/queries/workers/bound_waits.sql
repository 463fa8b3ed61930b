-- Limit how long the statements of a worker may run or wait for a lock, and how
-- long a stopped worker's transaction may hold locks.
SELECT
    set_config('lock_timeout', %(lock)s::text, false) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, false)
        AS statement_timeout,
    set_config('idle_in_transaction_session_timeout', %(idle)s::text, false)
        AS idle_timeout
