-- List the latest jobs that have not ended. The view is joined to ids that are already limited, so that progress is
-- summed only for those.
SELECT
    s.job_id,
    s.name,
    s.handler,
    s.priority,
    s.phase,
    s.suspended,
    s.outcome,
    s.total,
    s.done,
    s.failed,
    s.crashed,
    s.cancelled,
    s.invalid,
    s.pending,
    s.running,
    s.percent,
    s.batches,
    s.pace,
    s.eta,
    s.elapsed_s,
    s.note_count,
    s.created_at,
    s.sealed_at,
    s.finished_at,
    s.cancelled_at
FROM (
    SELECT job_id
    FROM evtrack.job_state
    WHERE phase IN ('open', 'abandoned', 'sealed') AND handler <> 'evtrack.canary'
    ORDER BY job_id DESC
    LIMIT (%(limit)s)
) AS latest
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.job_status AS j
        WHERE j.job_id = latest.job_id -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS s
ORDER BY s.job_id DESC
