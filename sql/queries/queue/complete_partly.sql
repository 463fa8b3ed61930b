-- Report a batch in which some items failed.
SELECT
    evtrack.complete_partly(
        %(worker_id)s::bigint,
        %(job_id)s::bigint,
        %(batch_no)s::integer,
        %(attempt)s::integer,
        %(run_s)s::float8,
        %(results)s::text,
        %(failed)s::int4multirange,
        %(errors)s::jsonb
    ) AS verdict
