-- List a job's latest messages about items, lines and files. They are in its own stream, which is short.
SELECT
    e.job_id,
    e.at,
    n.note ->> 'source' AS source,
    n.note ->> 'reason' AS reason,
    n.note ->> 'key' AS key
FROM evtrack.job_state AS j
INNER JOIN evtrack.event_log AS e ON j.job_day = e.job_day AND j.job_id = e.job_id
CROSS JOIN jsonb_array_elements(e.data -> 'notes') WITH ORDINALITY AS n (note, place)
WHERE
    j.job_id = %(job_id)s -- noqa: RF02
    AND e.batch_no = 0
    AND e.type = 'noted'
    AND jsonb_typeof(e.data -> 'notes') = 'array'
ORDER BY e.version DESC, n.place DESC
LIMIT (%(limit)s)
