-- Group the latest crashes of a job by their cause.
SELECT
    cause,
    signal,
    exit_code,
    count(*) AS crashes,
    count(DISTINCT batch_no) AS batches,
    max(at) AS last_at,
    (array_agg(batch_no ORDER BY at DESC))[1] AS example_batch_no
FROM evtrack.crashes_before(the_job => %(job_id)s::bigint, most => %(most)s::integer)
GROUP BY cause, signal, exit_code
ORDER BY crashes DESC, cause ASC, signal ASC, exit_code ASC
