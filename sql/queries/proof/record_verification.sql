SELECT
    evtrack.record_verification(
        %(job_id)s::bigint, %(version)s::integer, %(events)s::bigint, %(log_is_damaged)s::boolean,
        %(difference_count)s::bigint, %(differences)s::jsonb
    ) AS recorded
