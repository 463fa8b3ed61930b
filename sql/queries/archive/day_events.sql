-- The log of a part of a day as lines of JSON, stream by stream. Where an event lies in this cluster's log comes first,
-- then what it says. Quote and delimiter are characters that JSON never holds as they are, so a line is copied whole.
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
