-- Whether an event pretends to another transaction, time or place in the log
-- than its own. A plain expression, so that the fold's plans take it in.
CREATE OR REPLACE FUNCTION evtrack.is_forged(
    xid xid8, at timestamptz, seq bigint, data jsonb
) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT xid <> pg_current_xact_id()
        OR at < transaction_timestamp() OR at > clock_timestamp()
        OR seq > currval('evtrack.event_seq')
        OR jsonb_typeof(data) <> 'object'
$$;
