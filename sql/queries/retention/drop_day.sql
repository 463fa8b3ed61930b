SELECT
    evtrack.drop_day(
        %(job_day)s::date, %(ended_before)s::timestamptz, %(seen)s::pg_snapshot, %(job_ids)s::bigint[],
        %(event_counts)s::bigint[], %(digests)s::bytea[], %(archive)s::text
    ) AS outcome
