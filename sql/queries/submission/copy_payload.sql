-- Copy the items of a chunk as PostgreSQL's binary COPY rows, into the table that
-- payload_table names. Uses the older syntax, which sqlfluff can parse.
COPY %(payload_table)s (
    job_day, job_id, ordinal, batch_no, line, item_key, payload
) FROM STDIN WITH BINARY
