-- List failed attempts of a job before a place in their order, latest first, with the error of the first item.
SELECT
    %(job_id)s::bigint AS job_id,
    f.batch_no,
    f.attempt,
    f.at,
    coalesce(f.data #>> '{error,items,0,type}', f.data #>> '{error,type}') AS type,
    left(
        coalesce(f.data #>> '{error,items,0,message}', f.data #>> '{error,message}', f.data ->> 'error'), 300
    ) AS message,
    f.data #>> '{error,items,0,key}' AS item_key,
    CASE WHEN jsonb_typeof(f.data #> '{error,items}') = 'array' THEN jsonb_array_length(f.data #> '{error,items}') END
        AS items
FROM
    evtrack.failures_before(
        %(job_id)s::bigint, %(at)s::timestamptz, %(before_batch)s::integer, %(limit)s::integer
    ) AS f
ORDER BY f.at DESC, f.batch_no DESC
