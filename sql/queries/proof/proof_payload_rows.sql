-- Count the stored items of a job. Returns no row if there are none because the job was restored without items.
SELECT count(*) AS stored
FROM evtrack.payload AS p
WHERE p.job_id = %(job_id)s -- noqa: RF02
HAVING
    count(*) > 0
    OR NOT EXISTS (
        SELECT FROM evtrack.restored AS r
        WHERE r.job_id = %(job_id)s AND NOT r.with_items -- noqa: RF02
    )
