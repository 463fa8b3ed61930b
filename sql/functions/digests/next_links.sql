-- Append an event's digest to the digests of a batch with so many events, in the
-- form that these have, which their length shows. In form 2, a digest is the first
-- 16 bytes of the sha256 of the previous digest and the event's bytes. A plain
-- expression, so that it is inlined into the fold's plans. A call of it with the
-- result of another is not inlined: fold_derived() and fold_failures() append
-- several digests at once, so they compute them from digest_content().
CREATE OR REPLACE FUNCTION evtrack.next_links(
    links bytea, events integer,
    job_id bigint, batch_no integer, version integer, type evtrack.event_type,
    attempt integer, worker_id bigint, at timestamptz, seq bigint, xid xid8,
    data jsonb
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN octet_length(links) = 16 * events
        THEN links || substring(sha256(
            substring(links, octet_length(links) - 15) || evtrack.event_bytes(
                job_id, batch_no, version, type, attempt, worker_id, at, seq,
                xid, data)), 1, 16)
        ELSE evtrack.extend_links(links, events, evtrack.event_text(
            job_id, batch_no, version, type, attempt, worker_id, at, seq, xid,
            data)) END
$$;
