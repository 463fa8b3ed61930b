-- List the days from today on, in UTC, and whether the log has a partition for each.
SELECT
    d.day::date AS day,
    to_regclass(format('evtrack.event_%%s', to_char(d.day, 'YYYYMMDD'))) IS NOT NULL AS made
FROM
    generate_series(
        (now() AT TIME ZONE 'UTC')::date, (now() AT TIME ZONE 'UTC')::date + 7, interval '1 day'
    ) AS d (day)
ORDER BY d.day
