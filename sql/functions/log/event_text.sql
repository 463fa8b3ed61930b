-- Return an event as a text that is the same in every session, server and dump,
-- because digests are computed from it. Times are microseconds since 1970.
CREATE OR REPLACE FUNCTION evtrack.event_text(
    job_id bigint, batch_no integer, version integer, type evtrack.event_type,
    attempt integer, worker_id bigint, at timestamptz, seq bigint, xid xid8,
    data jsonb
) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT concat_ws(' ', job_id, batch_no, version, type, attempt,
        coalesce(worker_id::text, '-'),
        (extract(epoch FROM at) * 1000000)::bigint, seq, xid, data)
$$;
