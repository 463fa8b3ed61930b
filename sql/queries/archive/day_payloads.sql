-- Copy the items of a part of a day as lines of JSON.
COPY (
    SELECT row_to_json(p)
    FROM evtrack.payload AS p
    WHERE
        p.job_day = %(job_day)s::date
        AND (p.job_id, p.ordinal) >= (%(job_from)s, %(no_from)s)
        AND (p.job_id, p.ordinal) < (%(job_to)s, %(no_to)s)
    ORDER BY p.job_id, p.ordinal
) TO STDOUT (FORMAT csv, QUOTE E'\x01', ESCAPE E'\x01', DELIMITER E'\x02')
