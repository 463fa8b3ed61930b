-- This takes a few index look-ups per job: the oldest claimable batch, the workers that offer its handler, and whether
-- these workers have done anything lately. It distinguishes a long queue that moves from one that stands still although
-- slots are free, which is a fault.
CREATE OR REPLACE VIEW evtrack.waiting AS
SELECT -- noqa: ST06
    j.job_id,
    j.handler,
    j.priority,
    j.pending_batches AS batches,
    j.pending_items AS items,
    o.since,
    round(extract(EPOCH FROM t.instant - o.since)::numeric, 1)::double precision AS waited_s,
    w.workers,
    w.free_slots,
    y.why,
    extract(EPOCH FROM t.patience)::double precision AS start_within_s,
    y.why = 'never started' OR (y.why = 'no worker' AND o.since < t.instant - t.patience) AS overdue
FROM evtrack.counted_job AS j
CROSS JOIN
    LATERAL (
        SELECT
            statement_timestamp() AS instant,
            make_interval(
                secs => least(evtrack.policy_number(j.policy, 'start_within_s'), 1e9)::double precision
            ) AS patience
    ) AS t
CROSS JOIN LATERAL evtrack.waiting_since(j.job_day, j.job_id) AS o (since)
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
                    -- Rarely evaluated: it reads the job's own stream, which has an event per chunk.
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
WHERE j.phase IN ('open', 'abandoned', 'sealed') AND j.pending_batches > 0;

COMMENT ON VIEW evtrack.waiting IS
'One row per job with pending batches: since when the oldest waits, and why. Shows only the present moment.';
COMMENT ON COLUMN evtrack.waiting.since IS
'When the oldest new batch was enqueued, or the first retried batch may run, whichever is earlier.';
COMMENT ON COLUMN evtrack.waiting.workers IS 'Live workers that offer the handler, seen in the last 30 seconds.';
COMMENT ON COLUMN evtrack.waiting.free_slots IS 'Idle slots of these workers at their last heartbeat.';
COMMENT ON COLUMN evtrack.waiting.why IS
'suspended; backoff (no batch may run yet); no worker (no worker offers the handler); never started (slots have been '
'free for start_within_s, and nothing that their workers offer has started or ended since); queue (waits its turn).';
COMMENT ON COLUMN evtrack.waiting.start_within_s IS
'How long a batch may wait while slots are free before that counts as a fault: start_within_s in the job''s policy, '
'else 60. Workers report free slots every 10 seconds, so much shorter times detect nothing sooner.';
COMMENT ON COLUMN evtrack.waiting.overdue IS
'Whether an operator should look: it never started, or no worker has offered its handler for start_within_s.';
