-- Whether an event pretends to another transaction, time or place in the log
-- than its own. The server's clock may step at any moment, so a time is forged
-- only if it is a minute off, and not if the clock is known to have gone back
-- since this transaction began: the order of the log is that of seq. A plain
-- expression, so that the fold's plans take it in.
CREATE OR REPLACE FUNCTION evtrack.is_forged(
    xid xid8, at timestamptz, seq bigint, data jsonb
) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT xid <> pg_current_xact_id()
        OR (at < transaction_timestamp() OR at > clock_timestamp())
        AND transaction_timestamp() <= clock_timestamp() AND (
            at < transaction_timestamp() - interval '1 minute'
            OR at > clock_timestamp() + interval '1 minute')
        OR seq > currval('evtrack.event_seq')
        OR jsonb_typeof(data) <> 'object'
$$;
