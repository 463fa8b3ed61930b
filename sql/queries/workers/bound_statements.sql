-- Limit the duration of the statements of this transaction.
SELECT
    set_config('statement_timeout', %(statement)s::text, true)
        AS statement_timeout
