-- Copy the results of a part of a day as lines of JSON.
COPY (
    SELECT row_to_json(r)
    FROM evtrack.result AS r
    WHERE
        r.job_day = %(job_day)s::date
        AND (r.job_id, r.batch_no) >= (%(job_from)s, %(no_from)s)
        AND (r.job_id, r.batch_no) < (%(job_to)s, %(no_to)s)
    ORDER BY r.job_id, r.batch_no
) TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
