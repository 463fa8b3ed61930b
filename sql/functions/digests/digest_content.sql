-- Return what a digest of this form is computed from, beside the previous digest:
-- the event's bytes. A plain expression, so that it is inlined into the fold's
-- plans.
CREATE OR REPLACE FUNCTION evtrack.digest_content(
    digest_form smallint,
    job_id bigint, batch_no integer, version integer, type evtrack.event_type,
    attempt integer, worker_id bigint, at timestamptz, seq bigint, xid xid8,
    data jsonb
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE digest_form
        WHEN 2 THEN evtrack.event_bytes(
            job_id, batch_no, version, type, attempt, worker_id, at, seq, xid,
            data)
        ELSE convert_to(evtrack.event_text(
            job_id, batch_no, version, type, attempt, worker_id, at, seq, xid,
            data), 'UTF8') END
$$;
