-- A few index look-ups a job: the oldest of what may be claimed, the workers that offer its handler, and whether
-- these have been at anything at all lately. A queue that moves is long; one that stands although slots are free is
-- a fault, and this tells the two apart.
CREATE OR REPLACE VIEW evtrack.waiting AS
SELECT -- noqa: ST06
    j.job_id,
    j.handler,
    j.priority,
    c.batches,
    c.items,
    o.since,
    round(extract(EPOCH FROM t.instant - o.since)::numeric, 1)::double precision AS waited_s,
    w.workers,
    w.free_slots,
    y.why,
    extract(EPOCH FROM t.patience)::double precision AS start_within_s,
    y.why = 'never started' OR (y.why = 'no worker' AND o.since < t.instant - t.patience) AS overdue
FROM evtrack.job AS j
CROSS JOIN
    LATERAL (
        SELECT
            statement_timestamp() AS instant,
            make_interval(
                secs => CASE
                    WHEN jsonb_typeof(j.policy -> 'start_within_s') = 'number'
                        THEN least((j.policy -> 'start_within_s')::numeric, 1e9)
                    ELSE 60
                END::double precision
            ) AS patience
    ) AS t
CROSS JOIN
    LATERAL (
        SELECT
            coalesce(sum(p.pending_batches), 0)::bigint AS batches,
            coalesce(sum(p.pending_items), 0)::bigint AS items
        FROM evtrack.progress AS p
        WHERE p.job_id = j.job_id
    ) AS c
CROSS JOIN
    LATERAL (
        SELECT
            least(
                (
                    SELECT b.enqueued_at
                    FROM evtrack.batch AS b
                    WHERE b.job_day = j.job_day AND b.job_id = j.job_id AND b.fresh
                    ORDER BY b.batch_no
                    LIMIT 1
                ),
                (
                    SELECT min(b.run_at)
                    FROM evtrack.batch AS b
                    WHERE b.job_day = j.job_day AND b.job_id = j.job_id AND b.run_at IS NOT NULL
                )
            ) AS since
    ) AS o
CROSS JOIN
    LATERAL (
        SELECT
            count(*) AS workers,
            coalesce(sum(greatest(v.slots - v.busy, 0)), 0)::bigint AS free_slots,
            min(v.started_at) AS first_at,
            array(
                SELECT DISTINCT h.handler
                FROM evtrack.worker AS u
                CROSS JOIN unnest(u.handlers) AS h (handler)
                WHERE
                    u.stopped_at IS NULL AND u.lost_at IS NULL AND u.seen_at > t.instant - interval '30 seconds'
                    AND j.handler = any(u.handlers)
            ) AS handlers
        FROM evtrack.worker AS v
        WHERE
            v.stopped_at IS NULL AND v.lost_at IS NULL AND v.seen_at > t.instant - interval '30 seconds'
            AND j.handler = any(v.handlers)
    ) AS w
CROSS JOIN
    LATERAL (
        SELECT
            CASE
                WHEN j.suspended THEN 'suspended'
                WHEN o.since > t.instant THEN 'backoff'
                WHEN w.workers = 0 THEN 'no worker'
                WHEN
                    w.free_slots > 0
                    AND greatest(o.since, w.first_at) < t.instant - t.patience
                    -- Asked of few: it reads the job's own stream, which has an event a chunk.
                    AND NOT EXISTS (
                        SELECT 1
                        FROM evtrack.event AS e
                        WHERE
                            e.job_day = j.job_day AND e.job_id = j.job_id AND e.batch_no = 0 AND e.type = 'resumed'
                            AND e.at >= t.instant - t.patience
                    )
                    AND NOT EXISTS (
                        SELECT 1
                        FROM evtrack.job AS k
                        INNER JOIN evtrack.progress AS p ON k.job_id = p.job_id
                        WHERE
                            k.handler = any(w.handlers)
                            AND (k.phase IN ('open', 'abandoned', 'sealed') OR k.finished_at > t.instant - t.patience)
                            AND p.bucket * 10.0 > extract(EPOCH FROM t.instant - t.patience) - 10
                            AND (
                                p.running_batches > 0
                                OR p.completed_batches + p.failed_batches + p.crashed_batches > 0
                            )
                    )
                    THEN 'never started'
                ELSE 'queue'
            END AS why
    ) AS y
WHERE j.phase IN ('open', 'abandoned', 'sealed') AND c.batches > 0;

COMMENT ON VIEW evtrack.waiting IS
'One row a job with pending batches: since when the oldest waits, and why. It tells of this moment only.';
COMMENT ON COLUMN evtrack.waiting.since IS
'When the oldest pending batch was enqueued, or when the first that came back may run again.';
COMMENT ON COLUMN evtrack.waiting.workers IS 'Live workers that offer the handler, seen in the last 30 seconds.';
COMMENT ON COLUMN evtrack.waiting.free_slots IS 'Of these workers, the slots that had nothing at the last heartbeat.';
COMMENT ON COLUMN evtrack.waiting.why IS
'suspended; backoff (nothing may run yet); no worker (nobody offers the handler); never started (for start_within_s '
'slots were free, and nothing that their workers offer was begun or ended); queue (it waits its turn).';
COMMENT ON COLUMN evtrack.waiting.start_within_s IS
'How long a batch may wait for a free slot before that is called a fault: the key start_within_s of the job''s policy, '
'else 60. Workers say each 10 seconds what is free, so that much less finds nothing sooner.';
COMMENT ON COLUMN evtrack.waiting.overdue IS
'Whether somebody should look: it never started, or for start_within_s nobody has offered its handler.';
