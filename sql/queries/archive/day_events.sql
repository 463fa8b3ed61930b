-- Copy a part of a day's log as lines of JSON, stream by stream: first where the event lies in this cluster's log, then
-- its content. Quote and delimiter are characters that never appear unescaped in JSON, so lines are copied unchanged.
COPY (
    SELECT row_to_json(r)
    FROM (
        SELECT
            e.seq,
            e.xid,
            e.job_id,
            e.batch_no,
            e.version,
            e.job_day,
            e.type,
            e.attempt,
            e.worker_id,
            e.at,
            e.data
        FROM evtrack.event AS e
        WHERE
            e.job_day = %(job_day)s::date
            AND (e.job_id, e.batch_no) >= (%(job_from)s, %(no_from)s)
            AND (e.job_id, e.batch_no) < (%(job_to)s, %(no_to)s)
        ORDER BY e.job_id, e.batch_no, e.version
    ) AS r
) TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
