-- The items of a day as lines of JSON.
COPY (
    SELECT row_to_json(p)
    FROM evtrack.payload AS p
    WHERE p.job_day = %(job_day)s::date
    ORDER BY p.job_id, p.ordinal
) TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
