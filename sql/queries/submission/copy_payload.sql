-- Copy the items of a chunk as PostgreSQL's binary COPY rows. Uses the older
-- syntax, which sqlfluff can parse.
COPY evtrack.payload (
    job_day, job_id, ordinal, batch_no, line, item_key, payload
) FROM STDIN WITH BINARY
