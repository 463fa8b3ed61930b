-- Count items and batches by status for the jobs created in a span of time, from their progress counters.
SELECT
    count(*) AS jobs,
    coalesce(sum(p.done), 0)::bigint AS done,
    coalesce(sum(p.failed), 0)::bigint AS failed,
    coalesce(sum(p.crashed), 0)::bigint AS crashed,
    coalesce(sum(p.cancelled), 0)::bigint AS cancelled,
    coalesce(sum(p.invalid), 0)::bigint AS invalid,
    coalesce(sum(p.pending), 0)::bigint AS pending,
    coalesce(sum(p.running), 0)::bigint AS running,
    coalesce(sum(p.total), 0)::bigint AS total,
    coalesce(sum(p.batches_completed), 0)::bigint AS batches_done,
    coalesce(sum(p.batches_failed), 0)::bigint AS batches_failed,
    coalesce(sum(p.batches_crashed), 0)::bigint AS batches_crashed,
    coalesce(sum(p.batches_split), 0)::bigint AS batches_split,
    coalesce(sum(p.batches_cancelled), 0)::bigint AS batches_cancelled,
    coalesce(sum(p.batches_pending), 0)::bigint AS batches_pending,
    coalesce(sum(p.batches_running), 0)::bigint AS batches_running,
    coalesce(sum(p.batches), 0)::bigint AS batches_total
FROM evtrack.job_state AS j
INNER JOIN evtrack.job_progress AS p ON j.job_id = p.job_id
WHERE
    j.created_at > statement_timestamp() - %(span_s)s * interval '1 second' -- noqa: RF02
    AND j.handler <> 'evtrack.canary'
