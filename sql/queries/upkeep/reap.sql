-- Declare dead workers lost, and set their batches back to pending.
SELECT
    r.worker_id,
    r.name,
    r.why,
    r.batches,
    r.handlers
FROM evtrack.reap(
    make_interval(secs => %(grace_s)s::float8),
    make_interval(secs => %(lease_s)s::float8),
    %(reaper)s::bigint,
    make_interval(secs => %(elapsed_s)s::float8)
) AS r
