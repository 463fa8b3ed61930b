-- Return an event as bytes that are the same in every session, server and dump,
-- because digests of form 2 are computed from them: numbers in network byte order,
-- the time in microseconds since 2000, the worker if there is one, the type, a byte
-- 1, and the data as text in UTF-8: jsonb_send() would write it in the encoding of
-- the session's client, and fail where that lacks a character.
CREATE OR REPLACE FUNCTION evtrack.event_bytes(
    job_id bigint, batch_no integer, version integer, type evtrack.event_type,
    attempt integer, worker_id bigint, at timestamptz, seq bigint, xid xid8,
    data jsonb
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT int8send(job_id) || int8send(batch_no::bigint << 32 | version)
        || int4send(attempt) || timestamptz_send(at) || int8send(seq)
        || xid8send(xid) || coalesce(int8send(worker_id), '')
        || enum_send(type) || '\x01'::bytea || convert_to(data::text, 'UTF8')
$$;
