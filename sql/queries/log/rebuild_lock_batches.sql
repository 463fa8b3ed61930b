-- Hold a job's batches still: who reports on them locks their rows, in this order.
SELECT count(*) FROM (
    SELECT 1 FROM evtrack.batch
    WHERE job_id = %(job_id)s
    ORDER BY batch_no
    FOR UPDATE
) AS locked
