-- A failed event lists its items if the handler works item by item; otherwise the batch's error counts for all.
-- Only the first items of an event have tracebacks: the others were raised where the same error was. The current state
-- of a failure is that of its batch: items that fail again move to a batch of their own, which has their failure.
-- It is a scalar subquery, so that each batch is looked up, even in a day without statistics.
CREATE OR REPLACE VIEW evtrack.error_summary AS
SELECT -- noqa: ST06
    f.job_id,
    f.handler,
    evtrack.error_fingerprint(f.type, f.shape, f.place) AS fingerprint,
    f.type,
    f.shape,
    f.place,
    (array_agg(f.message ORDER BY f.at DESC, f.batch_no DESC))[1] AS message,
    count(*) AS failures,
    count(DISTINCT f.batch_no) AS batches,
    coalesce(sum(f.present[1]), 0)::bigint AS items_failed,
    coalesce(sum(f.present[2]), 0)::bigint AS items_retrying,
    min(f.at) AS first_at,
    max(f.at) AS last_at,
    (array_agg(f.batch_no ORDER BY f.urgency, f.batch_no))[1] AS example_batch_no,
    (array_agg(f.item_key ORDER BY f.urgency, f.batch_no, f.item_key))[1] AS example_item_key,
    f.job_day
FROM (
    SELECT -- noqa: ST06
        r.job_id,
        r.handler,
        r.job_day,
        r.batch_no,
        r.at,
        r.type,
        r.shape,
        r.message,
        r.item_key,
        r.present,
        CASE WHEN r.present[1] > 0 THEN 1 WHEN r.present[2] > 0 THEN 2 ELSE 3 END AS urgency,
        coalesce(r.place, min(r.place) OVER (PARTITION BY r.job_id, r.job_day, r.type, r.shape)) AS place
    FROM (
        SELECT
            j.job_id,
            j.handler,
            e.job_day,
            e.batch_no,
            e.at,
            x.error ->> 'type' AS type,
            left(x.error ->> 'message', 200) AS message,
            evtrack.error_shape(x.error ->> 'message') AS shape,
            evtrack.error_place(x.error ->> 'traceback') AS place,
            x.error ->> 'key' AS item_key,
            (
                SELECT
                    ARRAY[
                        CASE WHEN b.status = 'failed' AND b.attempt = e.attempt THEN i.items ELSE 0 END,
                        CASE
                            WHEN
                                b.status = 'pending' AND b.attempt = e.attempt
                                OR b.status = 'running' AND b.attempt = e.attempt + 1
                                THEN i.items
                            ELSE 0
                        END
                    ]
                FROM evtrack.batch AS b
                CROSS JOIN
                    LATERAL (
                        SELECT
                            CASE
                                WHEN x.error ->> 'ordinal' ~ '^[0-9]{1,9}$'
                                    THEN (b.ordinals @> (x.error ->> 'ordinal')::integer)::integer
                                ELSE b.item_count
                            END AS items
                    ) AS i
                WHERE b.job_day = e.job_day AND b.job_id = e.job_id AND b.batch_no = e.batch_no
            ) AS present
        FROM evtrack.job AS j
        INNER JOIN evtrack.event AS e ON j.job_day = e.job_day AND j.job_id = e.job_id
        CROSS JOIN
            jsonb_array_elements(
                CASE
                    WHEN jsonb_typeof(e.data #> '{error,items}') = 'array' AND e.data #> '{error,items}' <> '[]'
                        THEN e.data #> '{error,items}'
                    WHEN jsonb_typeof(e.data -> 'error') = 'string'
                        THEN jsonb_build_array(jsonb_build_object('message', e.data -> 'error'))
                    ELSE jsonb_build_array(e.data -> 'error')
                END
            ) AS x (error)
        WHERE e.type = 'failed'
    ) AS r
) AS f
GROUP BY f.job_id, f.handler, f.job_day, f.type, f.shape, f.place;

COMMENT ON VIEW evtrack.error_summary IS
'The errors that handlers raised: one row per job and fingerprint (type, place and shape of the message); every '
'attempt counts. What is wrong now: WHERE items_failed + items_retrying > 0. ORDER BY items_failed DESC.';
COMMENT ON COLUMN evtrack.error_summary.fingerprint IS
'The same for all occurrences of an error, in all jobs: evtrack.error_fingerprint(type, message, place).';
COMMENT ON COLUMN evtrack.error_summary.shape IS
'The message with placeholders for numbers, quoted text, paths and identifiers: evtrack.error_shape(message).';
COMMENT ON COLUMN evtrack.error_summary.place IS
'File and function of the last frame of the traceback outside of libraries; null without a traceback.';
COMMENT ON COLUMN evtrack.error_summary.message IS 'The latest message, cut to 200 characters.';
COMMENT ON COLUMN evtrack.error_summary.failures IS
'How often it was raised: once per item if the handler works item by item, else once per batch.';
COMMENT ON COLUMN evtrack.error_summary.items_failed IS
'Items that are failed now because of it. 0 if retries have solved it.';
COMMENT ON COLUMN evtrack.error_summary.items_retrying IS
'Items that failed with it in their last attempt and run again, or are about to.';
COMMENT ON COLUMN evtrack.error_summary.example_batch_no IS
'The lowest number of a batch that is failed because of it now, if any, else of any in which it was raised: '
'evtrack show JOB N.';
COMMENT ON COLUMN evtrack.error_summary.example_item_key IS
'An item of this batch that it was raised for; null if the handler takes whole batches.';
COMMENT ON COLUMN evtrack.error_summary.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
