-- The submitted batch of a hunt and the batches made of it, by their numbers, and the budgets of the job.
SELECT
    b.batch_no,
    b.job_day,
    j.handler,
    evtrack.policy_number(j.policy, 'max_crashes')::integer AS max_crashes,
    evtrack.policy_number(j.policy, 'max_losses')::integer AS max_losses
FROM evtrack.job_status AS j
CROSS JOIN
    LATERAL (
        (
            SELECT
                r.batch_no,
                r.job_day
            FROM evtrack.batch_status AS r
            WHERE r.job_id = %(job_id)s AND r.batch_no = %(root_no)s
        )
        UNION ALL
        (
            SELECT
                d.batch_no,
                d.job_day
            FROM evtrack.batch_status AS d
            WHERE d.job_id = %(job_id)s AND d.root_no = %(root_no)s
            ORDER BY d.batch_no
            LIMIT (%(limit)s)
        )
    ) AS b
WHERE j.job_id = %(job_id)s -- noqa: RF02
