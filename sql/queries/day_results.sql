-- What handlers returned on a day, as lines of JSON.
COPY (
    SELECT row_to_json(r)
    FROM evtrack.result AS r
    WHERE r.job_day = %(job_day)s::date
    ORDER BY r.job_id, r.batch_no
) TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
