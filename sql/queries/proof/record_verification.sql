SELECT
    evtrack.record_verification(
        %(job_id)s::bigint, %(events)s::bigint, %(log_is_damaged)s::boolean, %(difference_count)s::bigint,
        %(differences)s::jsonb
    ) AS recorded
