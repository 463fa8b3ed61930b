-- Group the latest failures of a job by their errors, each by that of its first item. First by what is cheap to
-- compare: shape and place are computed once for errors that differ at most in digits.
SELECT
    e.type,
    e.failures,
    e.last_at,
    e.example_batch_no,
    e.example_item_key,
    left(e.message, 200) AS message,
    evtrack.error_shape(e.message) AS shape,
    evtrack.error_place(e.traceback) AS place,
    evtrack.error_fingerprint(e.type, e.message, evtrack.error_place(e.traceback)) AS fingerprint
FROM (
    SELECT
        o.one ->> 'type' AS type,
        count(*) AS failures,
        max(f.at) AS last_at,
        (array_agg(o.one ->> 'message' ORDER BY f.at DESC))[1] AS message,
        (array_agg(o.one ->> 'traceback' ORDER BY f.at DESC))[1] AS traceback,
        (array_agg(f.batch_no ORDER BY f.at DESC))[1] AS example_batch_no,
        (array_agg(o.one ->> 'key' ORDER BY f.at DESC))[1] AS example_item_key
    FROM evtrack.failures_before(%(job_id)s::bigint, most => %(most)s::integer) AS f -- noqa: RF02
    CROSS JOIN
        LATERAL (
            SELECT
                CASE
                    WHEN jsonb_typeof(f.data #> '{error,items,0}') = 'object' THEN f.data #> '{error,items,0}'
                    WHEN jsonb_typeof(f.data -> 'error') = 'object' THEN f.data -> 'error'
                    ELSE jsonb_build_object('message', f.data -> 'error')
                END AS one
        ) AS o
    GROUP BY
        o.one ->> 'type',
        translate(o.one ->> 'message', '123456789', '000000000'),
        md5(translate(o.one ->> 'traceback', '123456789', '000000000'))
) AS e
