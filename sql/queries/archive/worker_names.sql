-- Read the names of workers in archived jobs: those that a restored job brought with it, else those of this database.
SELECT
    n.job_id,
    n.worker_id,
    coalesce(r.workers ->> n.worker_id::text, w.name) AS name
FROM unnest(%(job_ids)s::bigint[], %(worker_ids)s::bigint[]) AS n (job_id, worker_id) -- noqa: RF02
LEFT JOIN evtrack.restored AS r ON n.job_id = r.job_id
LEFT JOIN evtrack.worker AS w ON n.worker_id = w.worker_id
WHERE coalesce(r.workers ->> n.worker_id::text, w.name) IS NOT NULL
