-- The items of a chunk, as PostgreSQL's binary COPY rows. In the older of the
-- two forms, the one that sqlfluff can read.
COPY evtrack.payload (
    job_day, job_id, ordinal, batch_no, line, item_key, payload
) FROM STDIN WITH BINARY
