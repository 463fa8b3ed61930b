-- Which table to copy a job's items into: with the rights of evtrack's owner,
-- the partition of the job's day; otherwise evtrack.payload, whose trigger
-- guards it against everyone but the owner. Because that trigger reads the new
-- rows, COPY into evtrack.payload inserts row by row, and captures each row.
SELECT
    coalesce((
        SELECT c.relname::text
        FROM pg_class AS c
        WHERE
            c.oid = to_regclass(
                format(
                    'evtrack.payload_%%s',
                    to_char(%(job_day)s::date, 'YYYYMMDD')
                )
            )
            AND pg_has_role(c.relowner, 'USAGE')
    ), 'payload') AS name
