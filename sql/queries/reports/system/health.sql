-- Show overall health: the attempts that ended in a span of time, the pending batches and their age, and the workers.
SELECT
    a.since,
    a.attempts,
    a.completed,
    a.failed,
    a.crashed,
    a.workers_lost,
    a.running,
    w.jobs_waiting,
    w.pending,
    w.pending_items,
    w.oldest_s,
    w.no_worker,
    w.never_started,
    w.overdue,
    v.workers,
    v.slots,
    v.busy,
    v.silent,
    v.silent_busy,
    v.longest_silent_s
FROM evtrack.attempts(%(span_s)s * interval '1 second') AS a -- noqa: RF02
CROSS JOIN
    (
        SELECT
            count(*) AS jobs_waiting,
            coalesce(sum(q.batches), 0)::bigint AS pending,
            coalesce(sum(q.items), 0)::bigint AS pending_items,
            max(q.waited_s) AS oldest_s,
            count(*) FILTER (WHERE q.why = 'no worker') AS no_worker,
            count(*) FILTER (WHERE q.why = 'never started') AS never_started,
            count(*) FILTER (
                WHERE q.why = 'no worker' AND q.overdue AND q.handler <> 'evtrack.canary'
            ) AS overdue
        FROM evtrack.waiting AS q
        WHERE q.why <> 'suspended'
    ) AS w
CROSS JOIN
    (
        SELECT
            count(*) FILTER (WHERE s.state = 'alive') AS workers,
            coalesce(sum(s.slots) FILTER (WHERE s.state = 'alive'), 0)::bigint AS slots,
            coalesce(sum(s.busy) FILTER (WHERE s.state = 'alive'), 0)::bigint AS busy,
            count(*) FILTER (WHERE s.state = 'silent') AS silent,
            coalesce(sum(s.busy) FILTER (WHERE s.state = 'silent'), 0)::bigint AS silent_busy,
            max(s.silent_s) FILTER (WHERE s.state = 'silent') AS longest_silent_s
        FROM evtrack.worker_status AS s
        WHERE s.state IN ('alive', 'silent')
    ) AS v
