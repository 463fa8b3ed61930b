-- A failed event lists its items if the handler works item by item; otherwise the batch's error counts for all.
CREATE OR REPLACE VIEW evtrack.error_summary AS
SELECT -- noqa: ST06
    j.job_id,
    j.handler,
    x.error ->> 'type' AS type,
    left(x.error ->> 'message', 200) AS message,
    count(*) AS failures,
    count(DISTINCT e.batch_no) AS batches,
    min(e.at) AS first_at,
    max(e.at) AS last_at,
    min(e.batch_no) AS example_batch_no,
    min(x.error ->> 'key') AS example_item_key,
    e.job_day
FROM evtrack.job AS j
INNER JOIN evtrack.event AS e ON j.job_day = e.job_day AND j.job_id = e.job_id
CROSS JOIN
    jsonb_array_elements(
        CASE
            WHEN jsonb_typeof(e.data #> '{error,items}') = 'array' AND e.data #> '{error,items}' <> '[]'
                THEN e.data #> '{error,items}'
            ELSE jsonb_build_array(e.data -> 'error')
        END
    ) AS x (error)
WHERE e.type = 'failed'
GROUP BY j.job_id, j.handler, e.job_day, x.error ->> 'type', left(x.error ->> 'message', 200);

COMMENT ON VIEW evtrack.error_summary IS
'The errors that handlers raised: one row per job, type and message; every attempt counts. ORDER BY failures DESC.';
COMMENT ON COLUMN evtrack.error_summary.failures IS
'How often it was raised: once per item if the handler works item by item, else once per batch.';
COMMENT ON COLUMN evtrack.error_summary.example_batch_no IS
'The lowest number of a batch in which it was raised: evtrack events JOB --batch N.';
COMMENT ON COLUMN evtrack.error_summary.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
