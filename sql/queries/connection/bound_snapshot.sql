-- Limit how long the statements of this transaction may run or wait for a lock, and keep the server from compiling
-- them, which takes longer than they run: behind a pooler, the session cannot be told so.
SELECT
    set_config('lock_timeout', %(lock)s::text, true) AS lock_timeout,
    set_config('statement_timeout', %(statement)s::text, true)
        AS statement_timeout,
    set_config('jit', 'off', true) AS jit
