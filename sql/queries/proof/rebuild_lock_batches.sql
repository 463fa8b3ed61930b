-- Lock a job's batches against reports, which lock their rows in this order.
SELECT count(*) FROM (
    SELECT 1 FROM evtrack.batch
    WHERE job_id = %(job_id)s
    ORDER BY batch_no
    FOR UPDATE
) AS locked
