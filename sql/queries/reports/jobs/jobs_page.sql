-- List jobs below a number, latest first: of so many that are looked at, those of a phase and a handler. The view is
-- joined to ids that are already limited, so that progress is summed only for those.
WITH looked AS (
    SELECT
        job_id,
        handler,
        phase
    FROM evtrack.job_state
    WHERE job_id < coalesce(%(before)s::bigint, 9223372036854775807)
    ORDER BY job_id DESC
    LIMIT (%(walk)s)
),

shown AS (
    SELECT job_id
    FROM looked
    WHERE
        (handler <> 'evtrack.canary' OR %(handler)s::text = 'evtrack.canary')
        AND (%(phase)s::evtrack.phase IS NULL OR phase = %(phase)s::evtrack.phase)
        AND (%(handler)s::text IS NULL OR handler = %(handler)s)
    ORDER BY job_id DESC
    LIMIT (%(limit)s)
)

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
FROM shown AS n
CROSS JOIN
    LATERAL (
        SELECT *
        FROM evtrack.job_status AS j
        WHERE j.job_id = n.job_id -- noqa: RF03
        LIMIT 1 -- noqa: AM09
    ) AS s
ORDER BY s.job_id DESC
