-- The items of a chunk, as PostgreSQL's binary COPY rows.
COPY evtrack.payload (
    job_day, job_id, ordinal, batch_no, line, item_key, payload
) FROM STDIN (FORMAT BINARY)
