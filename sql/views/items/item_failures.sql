-- Version 2 of a stream is not a crash of its own: its parent has the crash.
-- An item counts if the event names it, or if it was the only item of its batch.
CREATE OR REPLACE VIEW evtrack.item_failures AS
SELECT -- noqa: ST06
    t.job_id,
    t.handler,
    t.item_key,
    t.ordinal,
    count(*) FILTER (WHERE t.type = 'failed') AS failures,
    count(*) FILTER (WHERE t.type = 'crashed') AS crashes,
    max(t.at) AS last_at,
    (array_agg(t.error ORDER BY t.at DESC, t.seq DESC))[1] AS last_error,
    (array_agg(t.fingerprint ORDER BY t.at DESC, t.seq DESC))[1] AS last_fingerprint,
    max(t.batch_no) AS last_batch_no,
    t.job_day
FROM (
    SELECT
        r.*,
        CASE
            WHEN r.type = 'failed'
                THEN
                    evtrack.error_fingerprint(
                        r.error_type,
                        r.shape,
                        coalesce(r.place, min(r.place) OVER (PARTITION BY r.job_id, r.job_day, r.error_type, r.shape))
                    )
        END AS fingerprint
    FROM (
        SELECT
            j.job_id,
            e.job_day,
            j.handler,
            e.type,
            e.at,
            e.seq,
            e.batch_no,
            coalesce(x.item ->> 'key', p.item_key) AS item_key,
            coalesce(
                CASE WHEN jsonb_typeof(x.item -> 'ordinal') = 'number' THEN (x.item ->> 'ordinal')::numeric::bigint END,
                p.ordinal
            ) AS ordinal,
            CASE e.type
                WHEN 'crashed' THEN concat_ws(' ', e.data ->> 'cause', e.data ->> 'signal')
                ELSE concat_ws(
                    ': ',
                    coalesce(x.item ->> 'type', e.data #>> '{error,type}'),
                    left(coalesce(x.item ->> 'message', e.data #>> '{error,message}'), 200)
                )
            END AS error,
            coalesce(x.item ->> 'type', e.data #>> '{error,type}') AS error_type,
            evtrack.error_shape(coalesce(x.item ->> 'message', e.data #>> '{error,message}')) AS shape,
            evtrack.error_place(
                CASE WHEN x.item = '{}' THEN e.data #>> '{error,traceback}' ELSE x.item ->> 'traceback' END
            ) AS place
        FROM evtrack.job AS j
        INNER JOIN evtrack.event AS e ON j.job_day = e.job_day AND j.job_id = e.job_id
        CROSS JOIN
            jsonb_array_elements(
                CASE
                    WHEN e.type = 'crashed'
                        THEN
                            jsonb_build_array(
                                jsonb_build_object('key', e.data -> 'item_key', 'ordinal', e.data -> 'ordinal')
                            )
                    WHEN jsonb_typeof(e.data #> '{error,items}') = 'array' AND e.data #> '{error,items}' <> '[]'
                        THEN e.data #> '{error,items}'
                    ELSE '[{}]'::jsonb
                END
            ) AS x (item)
        LEFT JOIN evtrack.batch AS b
            ON
                e.job_day = b.job_day AND e.job_id = b.job_id AND e.batch_no = b.batch_no AND b.item_count = 1
                AND x.item ->> 'key' IS NULL
        LEFT JOIN evtrack.payload AS p
            ON b.job_day = p.job_day AND b.job_id = p.job_id AND p.ordinal = lower(b.ordinals)
        WHERE e.type = 'failed' OR e.type = 'crashed' AND e.version > 2
    ) AS r
) AS t
WHERE t.item_key IS NOT NULL
GROUP BY t.job_id, t.job_day, t.handler, t.item_key, t.ordinal;

COMMENT ON VIEW evtrack.item_failures IS
'Items that failed or crashed, even if they were completed later; every attempt counts. '
'ORDER BY failures + crashes DESC; over all jobs, sum them and GROUP BY item_key.';
COMMENT ON COLUMN evtrack.item_failures.crashes IS 'Crashes with this item in hand.';
COMMENT ON COLUMN evtrack.item_failures.last_fingerprint IS
'The fingerprint of its last error, as in error_summary; null if it crashed last.';
COMMENT ON COLUMN evtrack.item_failures.last_batch_no IS 'The latest batch in which it failed or crashed.';
COMMENT ON COLUMN evtrack.item_failures.job_day IS
'The UTC day of the job. Filter by it to query recent jobs only: other days are then not read at all.';
