-- Return whether jobs of handlers have batches that are tried again later.
SELECT exists(
    SELECT 1
    FROM evtrack.waiting AS w
    WHERE w.handler = any(%(handlers)s::text[]) AND w.why = 'backoff'
) AS is_so
