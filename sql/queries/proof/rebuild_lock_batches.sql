-- Lock a job's batches against reports. Those of exchange() may lock their rows in
-- another order, so one of the two may have to begin again.
SELECT count(*) FROM (
    SELECT 1 FROM evtrack.batch
    WHERE job_id = %(job_id)s
    ORDER BY batch_no
    FOR UPDATE
) AS locked
